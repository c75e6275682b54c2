//! What the system tells a run: stop (interrupt, terminate) or save (hang up). The handlers set a flag and nothing else;
//! the run looks at the flags between two batches. A second request to stop ends the process at once.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The flags that the handlers set.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Whether to stop.
    stop: Arc<AtomicBool>,
    /// The number of the signal that said so.
    number: Arc<AtomicUsize>,
    save: Arc<AtomicBool>,
}

impl Signals {
    /// From now on the signals are told here.
    ///
    /// # Errors
    /// Where the system takes no handler.
    pub fn listen() -> io::Result<Self> {
        let signals = Signals::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, the second one up.
            flag::register_conditional_shutdown(signal, exit_code(signal as usize), signals.stop.clone())?;
            flag::register_usize(signal, signals.number.clone(), signal as usize)?;
            flag::register(signal, signals.stop.clone())?;
        }
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGHUP, signals.save.clone())?;
        Ok(signals)
    }

    /// Whether the run is to stop.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether a checkpoint was asked for since the last call.
    pub fn save(&self) -> bool {
        self.save.swap(false, Ordering::Relaxed)
    }

    /// The exit code of a run that a signal stopped: 128 and the signal's number, as shells have it.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(exit_code(self.number.load(Ordering::Relaxed)) as u8)
    }
}

fn exit_code(signal: usize) -> i32 {
    128 + signal as i32
}
