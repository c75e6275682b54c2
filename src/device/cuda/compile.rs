//! Kernels to machine code by NVRTC, several at a time; what it made is kept in a folder, under a hash of text,
//! architecture and compiler.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr;

use cudarc::nvrtc::result;
use cudarc::nvrtc::sys;
use xxhash_rust::xxh3::xxh3_128;

use crate::device::gpu::Prepared;
use crate::device::parallel::each;
use crate::diag::{Failure, codes};
use crate::disk::{SystemDisk, replace};

/// Products and sums are rounded one by one, as on every other machine; `fused` says where they are not.
const OPTIONS: [&str; 2] = ["--fmad=false", "--std=c++17"];

/// A kernel's machine code.
type Image = Vec<u8>;

/// The machine code of each kernel.
pub(super) fn all(prepared: &Prepared, architecture: &str, cache: Option<&Path>) -> Result<Vec<Image>, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    each(prepared.kernels.len(), threads, |kernel| one(&prepared.text(kernel), architecture, cache))
        .into_iter()
        .collect()
}

/// One kernel, from the cache if it is there. A cache that cannot be read or written is none.
fn one(text: &str, architecture: &str, cache: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let place = cache.map(|cache| place(cache, text, architecture, version()));
    if let Some(image) = place.as_ref().and_then(|place| fs::read(place).ok()).filter(|image| is_whole(image)) {
        return Ok(image);
    }
    let image = compile(text, architecture)?;
    if let Some(place) = place {
        let kept = place.parent().map_or(Ok(()), fs::create_dir_all);
        let write = |file: &mut dyn crate::disk::DiskFile| -> io::Result<()> { file.write_all(&image) };
        let _ = kept.and_then(|()| replace(&SystemDisk, &place, write));
    }
    Ok(image)
}

/// Where a kernel's code is kept.
fn place(cache: &Path, text: &str, architecture: &str, version: (i32, i32)) -> PathBuf {
    let options = OPTIONS.join(" ");
    let key = format!("nvrtc {}.{} {options} {architecture}\n{text}", version.0, version.1);
    cache.join(format!("{:032x}.cubin", xxh3_128(key.as_bytes())))
}

/// Whether it begins as machine code does (an ELF file). Files are written whole or not at all.
fn is_whole(image: &[u8]) -> bool {
    image.starts_with(b"\x7fELF")
}

/// NVRTC's version.
fn version() -> (i32, i32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: NVRTC is there, as `Card::open` has seen; it writes two numbers. Where it fails they stay 0.
    let _ = unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
    (major, minor)
}

/// A program of NVRTC's, which ends with it.
struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: it was created and is destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

fn compile(text: &str, architecture: &str) -> Result<Vec<u8>, Failure> {
    let (major, minor) = version();
    let refused = |why: &str| {
        let message = format!("NVRTC {major}.{minor} does not compile for {architecture}: {why}");
        let help = "install the newest NVRTC of CUDA 12 for a new card, or use --device cpu";
        Failure::new(codes::NO_DEVICE, message, help)
    };
    let source = CString::new(text).expect("a printed text has no null in it");
    let program = result::create_program(&source, None).map_err(|e| refused(&format!("{:?}", e.0)))?;
    let program = Program(program);
    let mut options = vec![format!("--gpu-architecture={architecture}")];
    options.extend(OPTIONS.map(str::to_owned));
    // SAFETY: the program was created above and lives.
    if let Err(error) = unsafe { result::compile_program(program.0, &options) } {
        // SAFETY: the same program.
        let log = unsafe { result::get_program_log(program.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log.iter().map(|c| *c as u8).collect();
        let log = CStr::from_bytes_until_nul(&bytes).map_or(String::new(), |log| log.to_string_lossy().into_owned());
        return Err(refused(&format!("{:?}\n{}", error.0, log.trim_end())));
    }
    let mut size = 0;
    // SAFETY: the program is compiled for a real architecture, so it has a cubin; a number is written.
    unsafe { sys::nvrtcGetCUBINSize(program.0, ptr::from_mut(&mut size)) }
        .result()
        .map_err(|e| refused(&format!("{:?}", e.0)))?;
    let mut image = vec![0u8; size];
    // SAFETY: as many bytes are written as were just asked for.
    unsafe { sys::nvrtcGetCUBIN(program.0, image.as_mut_ptr().cast()) }
        .result()
        .map_err(|e| refused(&format!("{:?}", e.0)))?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{all, place};
    use crate::codegen::gpu::Kernel;
    use crate::device::gpu::Prepared;
    use crate::diag::codes;

    #[test]
    fn code_is_kept_by_text_architecture_and_compiler() {
        let of = |text, architecture, version| place(Path::new("cache"), text, architecture, version);
        let own = of("a", "sm_80", (12, 9));
        assert_eq!(own, of("a", "sm_80", (12, 9)));
        for other in [of("b", "sm_80", (12, 9)), of("a", "sm_90", (12, 9)), of("a", "sm_80", (12, 8))] {
            assert_ne!(own, other);
        }
    }

    /// Kernels whose bodies are these.
    fn prepared(bodies: &[&str]) -> Prepared {
        let kernel = |(i, body): (usize, &&str)| {
            let name = format!("k{i}");
            Kernel { text: format!("extern \"C\" __global__ void {name}(float *x) {{ {body} }}"), name }
        };
        let kernels = bodies.iter().enumerate().map(kernel).collect();
        Prepared { prelude: String::new(), kernels, calls: vec![], test: 0, floats: 0 }
    }

    /// Where NVRTC is (it needs no driver): machine code once, then the same from the folder; a wrong text is told.
    #[test]
    fn nvrtc_compiles_into_the_cache() {
        if !crate::device::cuda::card::nvrtc_is_there() {
            eprintln!("skipped: no NVRTC");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("cuda");
        let kernels = prepared(&["x[threadIdx.x] = 1.0f;", "x[0] += 2.0f;", "x[0] *= 2.0f;"]);
        let made = all(&kernels, "sm_80", Some(&cache)).expect("they compile");
        assert!(made.iter().all(|image| image.starts_with(b"\x7fELF")) && made.len() == 3);
        let files: Vec<_> = cache.read_dir().expect("it is made").map(|e| e.expect("readable").path()).collect();
        assert_eq!(files.len(), 3);
        // What lies there is taken, and a file that is none is made again.
        for file in &files {
            std::fs::write(file, b"\x7fELF, from the folder").expect("writable");
        }
        let again = all(&kernels, "sm_80", Some(&cache)).expect("they are there");
        assert!(again.iter().all(|image| image.ends_with(b"from the folder")));
        files.iter().for_each(|file| std::fs::write(file, "").expect("writable"));
        assert_eq!(all(&kernels, "sm_80", Some(&cache)).expect("they compile"), made);
        let failure = all(&prepared(&["x[0] = y;"]), "sm_80", None).expect_err("y is not known");
        assert!(failure.code == codes::NO_DEVICE && failure.message.contains("\"y\" is undefined"), "{failure}");
    }
}
