//! One job for each of many things, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `make` makes of 0, 1, … `count`, in this order; `threads` threads, the caller's counted, take them one by one.
pub(super) fn each<T: Send>(count: usize, threads: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let made: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let thing = make(number);
            made.lock().expect("nothing panics with the lock").push((number, thing));
        }
    };
    // A panic of a thread goes on in the caller when the scope ends.
    std::thread::scope(|scope| {
        (1..threads.min(count)).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let mut made = made.into_inner().expect("nothing panics with the lock");
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, thing)| thing).collect()
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn all_are_made_once_and_in_order() {
        for threads in [1, 2, 7] {
            for count in [0, 1, 5, 100] {
                assert_eq!(each(count, threads, |i| i * i), (0..count).map(|i| i * i).collect::<Vec<_>>());
            }
        }
    }
}
