//! `cifar10` and `cifar100`: the 60,000 images of CIFAR (Krizhevsky 2009) in the authors' binary layout.
//!
//! A record is a byte for the class and 3,072 for the pixels: 32 x 32 red, green, blue, each row by row. CIFAR-100 has two
//! bytes before them, the superclass (0 to 19) and the class (0 to 99), which alone is learnt.

use std::path::Path;

use super::files::{Source, whole};
use super::{Images, Pixels, Scale, Splits};
use crate::diag::Failure;
use crate::net::Shape;

const SHAPE: Shape = Shape::new(3, 32, 32);
const PIXELS: usize = 3 * 32 * 32;

/// One of the two sets, and how its files are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    source: Source,
    /// How many values each byte before the pixels takes; the last is the class.
    labels: &'static [u8],
    train: &'static [&'static str],
    /// Records of each training file.
    train_records: usize,
    test: &'static str,
    /// Records of the test file.
    test_records: usize,
    /// Mean and deviation of the training images, as the papers' recipes have them.
    scale: [Scale; 3],
    /// What the classes show, where the authors number few.
    pub(super) names: &'static [&'static str],
}

const fn scale(mean: f32, deviation: f32) -> Scale {
    Scale { mean, deviation }
}

/// CIFAR-10: five training files and one for test, of 10,000 records each.
pub const CIFAR10: Layout = Layout {
    source: Source { title: "CIFAR-10", name: "cifar10", folder: "cifar-10-batches-bin" },
    labels: &[10],
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    train_records: 10_000,
    test: "test_batch.bin",
    test_records: 10_000,
    scale: [scale(125.3, 63.0), scale(123.0, 62.1), scale(113.9, 66.7)],
    names: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
};

/// CIFAR-100: a training file of 50,000 records and one for test of 10,000.
pub const CIFAR100: Layout = Layout {
    source: Source { title: "CIFAR-100", name: "cifar100", folder: "cifar-100-binary" },
    labels: &[20, 100],
    train: &["train.bin"],
    train_records: 50_000,
    test: "test.bin",
    test_records: 10_000,
    scale: [scale(129.3, 68.2), scale(124.1, 65.4), scale(112.4, 70.4)],
    names: &[],
};

impl Layout {
    /// Reads the data set from the folder that the text names, else from the user's cache.
    pub(super) fn load(&self, path: Option<&str>) -> Result<Splits, Failure> {
        self.read(&self.source.place(path)?)
    }

    /// The same layout with so many records in each file.
    pub fn of(self, train_records: usize, test_records: usize) -> Self {
        Layout { train_records, test_records, ..self }
    }

    /// Reads the files in `folder`.
    ///
    /// # Errors
    /// A file that is missing, of another size, or holds a class that does not exist.
    pub fn read(&self, folder: &Path) -> Result<Splits, Failure> {
        let train = self.images(folder, self.train, self.train_records)?;
        Ok(Splits { train, validation: None, test: self.images(folder, &[self.test], self.test_records)? })
    }

    /// None of its images, to show what they are like.
    pub(super) fn none(&self) -> Images {
        let classes = *self.labels.last().expect("there is a class");
        let scale = self.scale.to_vec();
        Images { shape: SHAPE, classes: classes.into(), pixels: Pixels::Held(vec![]), labels: vec![], scale }
    }

    fn images(&self, folder: &Path, names: &[&str], records: usize) -> Result<Images, Failure> {
        let record = self.labels.len() + PIXELS;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in names {
            let file = folder.join(name);
            let refused = |what: String| self.source.damaged(&file, &what);
            let bytes = self.source.read(&file, records * record)?;
            whole(&bytes, 0, record, records).map_err(refused)?;
            for (number, bytes) in bytes.chunks_exact(record).enumerate() {
                let (label, image) = bytes.split_at(self.labels.len());
                for (place, (value, count)) in label.iter().zip(self.labels).enumerate() {
                    if value >= count {
                        let (offset, last) = (number * record + place, count - 1);
                        let kind = if place + 1 == label.len() { "class" } else { "superclass" };
                        return Err(refused(format!(
                            "record {number}, at byte {offset}, is of {kind} {value}; there are 0 to {last}"
                        )));
                    }
                }
                labels.push(label[label.len() - 1].into());
                pixels.extend(image);
            }
        }
        Ok(Images { pixels: Pixels::Held(pixels), labels, ..self.none() })
    }
}
