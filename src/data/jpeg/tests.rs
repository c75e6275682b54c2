//! What of an image in `tests/golden/images` is told, and what is not.

use super::Jpeg;

const BASELINE: &[u8] = include_bytes!("../../../tests/golden/images/baseline.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../../../tests/golden/images/progressive.jpg");
const GREY: &[u8] = include_bytes!("../../../tests/golden/images/grey.jpg");
/// 50 x 40, colours at half the size, a restart mark behind every second unit.
const RESTARTS: &[u8] = include_bytes!("../../../tests/golden/images/restarts.jpg");
const ALL: [&[u8]; 4] = [BASELINE, PROGRESSIVE, GREY, RESTARTS];

fn check(bytes: &[u8]) -> Result<(), String> {
    Jpeg::read(bytes)?.blocks()
}

fn place(bytes: &[u8], mark: u8) -> usize {
    bytes.windows(2).position(|pair| pair == [0xff, mark]).expect("the mark is there")
}

/// The image with one part in place of another.
fn with(bytes: &[u8], range: std::ops::Range<usize>, part: &[u8]) -> Vec<u8> {
    [&bytes[..range.start], part, &bytes[range.end..]].concat()
}

#[test]
fn whole_images_pass_with_all_that_cameras_add() {
    for bytes in ALL {
        check(bytes).expect("it is whole");
        let marked = with(bytes, 2..2, &[0xff, 0xff, 0xff]);
        check(&marked).expect("a mark may be filled up");
        check(&[bytes, &[0x55; 200_000]].concat()).expect("what is behind the image is not the image's");
        let end = bytes.len() - 2;
        check(&with(bytes, end..end, &[0xff, 0x00, 0x12])).expect("and so is what is behind the last block");
    }
}

#[test]
fn an_image_that_breaks_off_anywhere_is_refused() {
    for bytes in ALL {
        for length in 2..bytes.len() {
            let told = check(&bytes[..length]).expect_err("it is cut off");
            assert!(told.contains("at byte") || told.contains("no image"), "{length}: {told}");
        }
    }
}

#[test]
fn a_scan_that_has_lost_bytes_is_refused_though_an_end_follows() {
    for bytes in [BASELINE, GREY, RESTARTS] {
        let scan = place(bytes, 0xda) + 14;
        for lost in 2..(bytes.len() - scan - 4).min(40) {
            let short = with(bytes, bytes.len() - 2 - lost..bytes.len() - 2, &[]);
            let told = check(&short).expect_err("blocks are missing");
            assert!(told.contains("scan 1"), "{lost}: {told}");
        }
    }
}

#[test]
fn a_frame_lower_or_narrower_than_what_is_coded_is_refused() {
    for (name, bytes) in [("baseline", BASELINE), ("progressive", PROGRESSIVE), ("grey", GREY), ("restarts", RESTARTS)]
    {
        let frame = place(bytes, if name == "progressive" { 0xc2 } else { 0xc0 });
        for (side, at) in [("height", frame + 6), ("width", frame + 8)] {
            for less in [8, 16] {
                let Err(told) = check(&with(bytes, at..at + 1, &[bytes[at] - less])) else {
                    panic!("{name}, {side} less {less}");
                };
                let known = told.contains("more is coded than") || told.contains("restart marks, not");
                assert!(known, "{name}, {side} less {less}: {told}");
            }
        }
        let end = bytes.len() - 2;
        check(&with(bytes, end..end, &[0; 4096])).expect("a scan may be filled up");
    }
}

#[test]
fn restart_marks_out_of_turn_are_refused() {
    let first = place(RESTARTS, 0xd0);
    let told = |bytes: &[u8]| check(bytes).expect_err("it is damaged");
    assert!(told(&with(RESTARTS, first + 1..first + 2, &[0xd3])).contains("restart mark 3 stands where mark 0 is due"));
    let without = told(&with(RESTARTS, first..first + 2, &[]));
    assert!(without.contains("restart mark 1 stands where mark 0 is due"), "{without}");
    let last = RESTARTS.windows(2).rposition(|pair| pair[0] == 0xff && (0xd0..0xd8).contains(&pair[1]));
    let last = last.expect("there are some");
    let fewer = told(&with(RESTARTS, last..RESTARTS.len() - 2, &[]));
    assert!(fewer.contains("restart marks, not"), "{fewer}");
    let scan = place(BASELINE, 0xda) + 20;
    assert!(told(&with(BASELINE, scan..scan, &[0xff, 0xd0])).contains("stands where none is said to"));
}

#[test]
fn parts_that_contradict_themselves_are_refused() {
    let (frame, codes, factors) = (place(BASELINE, 0xc0), place(BASELINE, 0xc4), place(BASELINE, 0xdb));
    let told = |at: usize, byte: u8| check(&with(BASELINE, at..at + 1, &[byte])).expect_err("it is damaged");
    assert!(told(frame + 9, 4).contains("a frame of another length"));
    assert!(told(frame + 11, 0x51).contains("sampled more than four times"));
    assert!(told(codes + 5, 9).contains("a table of more codes than there are"));
    assert!(told(factors + 4, 0x70).contains("a table of factors of no known kind"));
    assert!(told(frame + 1, 0xc3).contains("not read here"));
    assert!(check(&with(BASELINE, frame..codes, &[])).is_err_and(|told| told.contains("a scan before the frame")));
    let doubled = with(BASELINE, codes..codes, &BASELINE[frame..codes]);
    assert!(check(&doubled).is_err_and(|told| told.contains("a second frame")));
    let scan = place(BASELINE, 0xda);
    assert!(
        check(&with(BASELINE, scan..BASELINE.len() - 2, &[])).is_err_and(|told| told.contains("without component 0"))
    );
}

#[test]
fn a_frame_higher_than_what_is_coded_is_refused() {
    for bytes in ALL {
        let frame = bytes.windows(2).position(|pair| pair[0] == 0xff && (0xc0..0xc3).contains(&pair[1]));
        let height = frame.expect("it has a frame") + 6;
        let told = check(&with(bytes, height..height + 1, &[90])).expect_err("blocks are missing");
        assert!(told.contains("the coded bytes end") || told.contains("restart marks, not"), "{told}");
    }
}

#[test]
fn a_component_that_is_only_refined_is_missing() {
    let scan = place(PROGRESSIVE, 0xda);
    let bits = scan + 7 + 2 * usize::from(PROGRESSIVE[scan + 4]);
    let told = check(&with(PROGRESSIVE, bits..bits + 1, &[0x10 | PROGRESSIVE[bits]])).expect_err("it is damaged");
    assert!(told.contains("without component 0"), "{told}");
}

#[test]
fn some_wrong_bits_in_the_codes_are_told_and_none_breaks_the_walk() {
    for bytes in ALL {
        let scan = place(bytes, 0xda) + 14;
        let mut told = 0;
        for at in scan..bytes.len() - 2 {
            for bit in 0..8 {
                let mut wrong = bytes.to_vec();
                wrong[at] ^= 1 << bit;
                told += usize::from(check(&wrong).is_err());
            }
        }
        let share = told as f64 / (8 * (bytes.len() - 2 - scan)) as f64;
        assert!((0.1..0.95).contains(&share), "{share}");
    }
}
