//! What the epochs of a run came to: the table that `metrics.csv` is. No clock in it, so that the same run writes the
//! same bytes; numbers are written so that they are read back to the bit.

use std::fmt;
use std::str::FromStr;

/// What an epoch came to; prints as a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochMetrics {
    /// From 1.
    pub epoch: usize,
    /// Steps done in all.
    pub step: u64,
    /// The rate of the epoch's last step.
    pub rate: f64,
    /// The mean loss over the epoch's training images, smoothing included.
    pub train_loss: f64,
    /// The mean loss over the test images, without smoothing.
    pub test_loss: f64,
    /// The share of test images that are right.
    pub test_accuracy: f64,
    /// The share of the images held back for validation that are right, where the recipe holds some back.
    pub validation_accuracy: Option<f64>,
}

/// The finished epochs of a run, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(pub Vec<EpochMetrics>);

const HEADER: &str = "epoch,step,rate,train_loss,test_loss,test_accuracy,validation_accuracy";

impl EpochMetrics {
    /// What the best epoch is chosen by: the images held back for that, or the test images where none are.
    pub fn score(&self) -> f64 {
        self.validation_accuracy.unwrap_or(self.test_accuracy)
    }
}

impl Metrics {
    /// The first epoch with the largest score.
    pub fn best(&self) -> Option<&EpochMetrics> {
        self.0.iter().reduce(|best, row| if row.score() > best.score() { row } else { best })
    }

    /// The last epoch.
    pub fn last(&self) -> Option<&EpochMetrics> {
        self.0.last()
    }
}

impl fmt::Display for EpochMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EpochMetrics { epoch, step, rate, train_loss, test_loss, test_accuracy, validation_accuracy } = self;
        write!(f, "{epoch},{step},{rate},{train_loss},{test_loss},{test_accuracy},")?;
        validation_accuracy.iter().try_for_each(|accuracy| write!(f, "{accuracy}"))
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl FromStr for EpochMetrics {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("`{line}` is no row of metrics");
        let cells: Vec<&str> = line.split(',').collect();
        let [epoch, step, rate, train_loss, test_loss, test_accuracy, validation] = cells[..] else {
            return Err(wrong());
        };
        let number = |text: &str| text.parse::<f64>().map_err(|_| wrong());
        Ok(EpochMetrics {
            epoch: epoch.parse().map_err(|_| wrong())?,
            step: step.parse().map_err(|_| wrong())?,
            rate: number(rate)?,
            train_loss: number(train_loss)?,
            test_loss: number(test_loss)?,
            test_accuracy: number(test_accuracy)?,
            validation_accuracy: if validation.is_empty() { None } else { Some(number(validation)?) },
        })
    }
}

impl FromStr for Metrics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        match lines.next() {
            Some(HEADER) => lines.map(str::parse).collect::<Result<_, _>>().map(Metrics),
            Some(_) | None => Err(format!("its metrics do not begin with `{HEADER}`")),
        }
    }
}
