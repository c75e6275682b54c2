//! Fetching data sets: the archive from its address, checked against the sum that its authors publish, unpacked beside its
//! place and only then given its name. The one place that opens a connection.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use md5::{Digest, Md5};

use crate::diag::{Failure, codes};

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 16;
/// More than any of the archives.
const MAX_BYTES: u64 = 1 << 30;
/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a connection that gives something may break.
const MAX_BREAKS: usize = 20;

/// A data set that can be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Fetched {
    /// As the language writes it.
    pub name: &'static str,
    /// The folder that its files lie in, under `sdc` in the user's cache.
    pub folder: &'static str,
    /// Where its authors, or those who keep it, have it; file names follow.
    pub from: &'static str,
    /// What is fetched from there.
    pub archives: &'static [Archive],
}

/// A file at the address.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Its name there.
    pub name: &'static str,
    /// The MD5 sum that is published with it.
    pub md5: &'static str,
    /// What is taken out of it; none where it is used as it is.
    pub holds: &'static [&'static str],
}

/// All of them.
pub const ALL: &[Fetched] = &[
    Fetched {
        name: "cifar10",
        folder: "cifar-10-batches-bin",
        from: "https://www.cs.toronto.edu/~kriz/",
        archives: &[Archive {
            name: "cifar-10-binary.tar.gz",
            md5: "c32a1d4ab5d03f1284b67883e8d87530",
            holds: &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
                "batches.meta.txt",
            ],
        }],
    },
    Fetched {
        name: "cifar100",
        folder: "cifar-100-binary",
        from: "https://www.cs.toronto.edu/~kriz/",
        archives: &[Archive {
            name: "cifar-100-binary.tar.gz",
            md5: "03b5dce01913d631647c71ecec9e9cb8",
            holds: &["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"],
        }],
    },
    Fetched {
        name: "mnist",
        folder: "mnist",
        from: "https://ossci-datasets.s3.amazonaws.com/mnist/",
        archives: &[
            whole("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            whole("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            whole("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            whole("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ],
    },
];

const fn whole(name: &'static str, md5: &'static str) -> Archive {
    Archive { name, md5, holds: &[] }
}

/// Hears how far a file has come: its name, bytes so far, bytes in all where that is known.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, Option<u64>);

impl Fetched {
    /// The data set of this name.
    pub fn named(name: &str) -> Option<&'static Fetched> {
        ALL.iter().find(|set| set.name == name)
    }

    /// Where it is looked for, if there is a user with a cache.
    pub fn place(&self) -> Option<PathBuf> {
        super::cache().map(|cache| cache.join(self.folder))
    }

    /// Whether all its files are at `place`; what is in them is not looked at.
    pub fn is_at(&self, place: &Path) -> bool {
        let file = |name: &&str| place.join(name).is_file();
        self.archives.iter().all(|archive| match archive.holds {
            [] => file(&archive.name),
            names => names.iter().filter(|name| name.ends_with(".bin")).all(file),
        })
    }

    /// Fetches it from an address, `https://…`, `http://…` or `file://…`, into a folder. What was there before stays until
    /// each new file is whole.
    ///
    /// # Errors
    /// No connection, a file of another sum, a disk that takes no more. Of a file that broke off, what came lies beside its
    /// place in `NAME.partial`, and the next call goes on from there.
    pub fn get(&self, from: &str, place: &Path, progress: Progress<'_>) -> Result<(), Failure> {
        fs::create_dir_all(place).map_err(|e| Failure::unwritten(place, &e))?;
        let base = if from.ends_with('/') { from.to_owned() } else { format!("{from}/") };
        for archive in self.archives {
            let address = format!("{base}{}", archive.name);
            let partial = place.join(format!("{}.partial", archive.name));
            fetch(&address, archive, &partial, progress)?;
            let put = archive.put(&partial, place);
            // The failure itself is what counts.
            let _ = fs::remove_file(&partial);
            put?;
        }
        Ok(())
    }
}

fn unfetched(address: &str, what: &str) -> Failure {
    let help = "see whether the address can be reached, or name another: `--from URL` (`file:///FOLDER` takes files that \
                are here already)";
    Failure::new(codes::CANNOT_READ, format!("{address} cannot be fetched: {what}"), help)
}

/// Why no file came.
enum Stop {
    /// The connection broke; what came so far is in the file.
    Broken(Failure),
    /// Something that another try does not mend.
    Failed(Failure),
}

/// Copies an address into a file and compares its sum. A connection that breaks is made again and goes on where the last
/// one ended, if the server can; where it breaks for good, what came stays for the next call.
fn fetch(address: &str, archive: &Archive, partial: &Path, progress: Progress<'_>) -> Result<(), Failure> {
    let mut breaks = 0;
    loop {
        let kept = fs::metadata(partial).map_or(0, |metadata| metadata.len());
        let failure = match copy(address, archive, partial, kept, progress) {
            Ok((sum, _)) if sum == archive.md5 => return Ok(()),
            Ok(_) if kept > 0 => {
                // Its two parts may be of two files: once more from the beginning.
                fs::remove_file(partial).map_err(|e| Failure::unwritten(partial, &e))?;
                continue;
            }
            Ok((sum, bytes)) => {
                let published = archive.md5;
                let message = format!(
                    "{address} is not the published file: its MD5 sum is {sum}, not {published}, of {bytes} bytes"
                );
                let help = "fetch it again; if the sum stays, another file lies at this address";
                Failure::new(codes::DATA_DAMAGED, message, help)
            }
            Err(Stop::Broken(failure)) => {
                breaks += 1;
                let came = fs::metadata(partial).map_or(0, |metadata| metadata.len());
                if came > kept && breaks <= MAX_BREAKS {
                    continue;
                }
                return Err(failure);
            }
            Err(Stop::Failed(failure)) => failure,
        };
        // The failure itself is what counts.
        let _ = fs::remove_file(partial);
        return Err(failure);
    }
}

/// Adds what an address gives to the first `kept` bytes of a file; the sum and the number of all its bytes.
fn copy(
    address: &str,
    archive: &Archive,
    partial: &Path,
    kept: u64,
    progress: Progress<'_>,
) -> Result<(String, u64), Stop> {
    let unwritten = |e: io::Error| Stop::Failed(Failure::unwritten(partial, &e));
    let Answer { mut source, from, length } = open(address, kept).map_err(Stop::Broken)?;
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(from == 0).open(partial);
    let mut file = options.map_err(unwritten)?;
    let (mut sum, mut done, mut piece) = (Md5::new(), 0, vec![0; PIECE]);
    while done < from {
        let count = file.read(&mut piece).map_err(unwritten)?;
        if count == 0 {
            return Err(Stop::Failed(unfetched(address, "what came of it before has been cut off meanwhile")));
        }
        done += count as u64;
        sum.update(&piece[..count]);
    }
    loop {
        let broken = |e: io::Error| {
            let all = length.map_or(String::new(), |all| format!(" of {all}"));
            let mut failure = unfetched(address, &format!("{e}, after {done}{all} bytes"));
            failure.help = format!("the same command goes on from there; or {}", failure.help);
            Stop::Broken(failure)
        };
        let count = source.read(&mut piece).map_err(broken)?;
        if count == 0 {
            break;
        }
        done += count as u64;
        if done > MAX_BYTES {
            return Err(Stop::Failed(unfetched(address, "it is larger than any data set")));
        }
        sum.update(&piece[..count]);
        file.write_all(&piece[..count]).map_err(unwritten)?;
        progress(archive.name, done, length);
    }
    file.sync_all().map_err(unwritten)?;
    let sum = sum.finalize();
    Ok((sum.iter().map(|byte| format!("{byte:02x}")).collect(), done))
}

/// What an address gives.
struct Answer {
    source: Box<dyn Read>,
    /// How many bytes of the file it leaves out at the beginning.
    from: u64,
    /// How long the file is, all in all.
    length: Option<u64>,
}

/// Opens an address, if it can be behind its first `kept` bytes.
fn open(address: &str, kept: u64) -> Result<Answer, Failure> {
    if let Some(path) = address.strip_prefix("file://") {
        let file = File::open(path).map_err(|e| unfetched(address, &e.to_string()))?;
        let length = file.metadata().ok().map(|metadata| metadata.len());
        return Ok(Answer { source: Box::new(file), from: 0, length });
    }
    if !address.starts_with("https://") && !address.starts_with("http://") {
        return Err(unfetched(address, "it is no address of `https`, `http` or `file`"));
    }
    let config = ureq::Agent::config_builder().timeout_connect(Some(PATIENCE)).timeout_per_read(Some(PATIENCE));
    let agent = config.build().new_agent();
    let ask = match kept {
        0 => agent.get(address),
        _ => agent.get(address).header("range", format!("bytes={kept}-")),
    };
    let response = match ask.call() {
        // The file has no byte behind those.
        Err(ureq::Error::StatusCode(416)) if kept > 0 => return open(address, 0),
        answered => answered.map_err(|e| unfetched(address, &e.to_string()))?,
    };
    let from = if response.status() == 206 { kept } else { 0 };
    let rest: Option<u64> = response.headers().get("content-length").and_then(|l| l.to_str().ok()?.parse().ok());
    Ok(Answer { source: Box::new(response.into_body().into_reader()), from, length: rest.map(|rest| from + rest) })
}

impl Archive {
    /// Puts what a fetched file holds into a folder.
    fn put(&self, fetched: &Path, place: &Path) -> Result<(), Failure> {
        let path = place.join(self.name);
        if self.holds.is_empty() {
            return fs::rename(fetched, &path).map_err(|e| Failure::unwritten(&path, &e));
        }
        let mut missing = self.holds.to_vec();
        let failed = |e: io::Error| Failure::unwritten(fetched, &e);
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(fetched).map_err(failed)?));
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            // Files are told by their names alone, so that no archive can name a place.
            let name = entry.path().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
            let Some(at) = missing.iter().position(|wanted| name.as_deref() == Some(wanted)) else { continue };
            let (target, partial) = (place.join(missing[at]), place.join(format!("{}.partial", missing[at])));
            let mut out = File::create(&partial).map_err(|e| Failure::unwritten(&partial, &e))?;
            let copied = io::copy(&mut entry, &mut out).and_then(|_| out.sync_all());
            copied.and_then(|()| fs::rename(&partial, &target)).map_err(|e| {
                let _ = fs::remove_file(&partial);
                Failure::unwritten(&target, &e)
            })?;
            missing.swap_remove(at);
        }
        match missing[..] {
            [] => Ok(()),
            _ => Err(unfetched(self.name, &format!("it does not hold {}", missing.join(", ")))),
        }
    }
}
