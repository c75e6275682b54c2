//! Folding of neighbours that differ in numbers alone.

use super::{Lane, Step, StepKind};

/// The steps with each run of like ones as one.
pub fn fold(steps: Vec<Step>) -> Vec<Step> {
    let mut folded: Vec<(String, Step, Step)> = Vec::new();
    for step in steps {
        let frame = matches!(step.kind, StepKind::Frame { is_stage: false, .. } | StepKind::Arms { .. });
        let skeleton = skeleton(&step);
        match folded.last_mut() {
            Some((before, first, last)) if frame && *before == skeleton => {
                first.times += step.times;
                *last = step;
            }
            Some(_) | None => folded.push((skeleton, step.clone(), step)),
        }
    }
    folded.into_iter().map(|(_, first, last)| if first.times > 1 { merged(&first, &last) } else { first }).collect()
}

/// A step without its numbers.
fn skeleton(step: &Step) -> String {
    let parts = pieces(&format!("{:?}{}", step.kind, step.output));
    parts.into_iter().map(|(number, text)| if number { "#".to_owned() } else { text }).collect()
}

/// Numbers, and what stands between them.
fn pieces(text: &str) -> Vec<(bool, String)> {
    let mut pieces: Vec<(bool, String)> = Vec::new();
    for c in text.chars() {
        let in_number = pieces.last().is_some_and(|(number, _)| *number);
        let number = c.is_ascii_digit() || (in_number && matches!(c, '.' | '…'));
        match pieces.last_mut() {
            Some((same, piece)) if *same == number => piece.push(c),
            Some(_) | None => pieces.push((number, c.to_string())),
        }
    }
    pieces
}

/// Two texts that differ in numbers alone, as one: `conv3x3(21…64)`.
fn joined(first: &str, last: &str) -> String {
    let (first, last) = (pieces(first), pieces(last));
    let both = first.into_iter().zip(last);
    let begin = |n: &str| n.split('…').next().unwrap_or("").to_owned();
    let end = |n: &str| n.rsplit('…').next().unwrap_or("").to_owned();
    both.map(|((_, a), (_, b))| if a == b { a } else { format!("{}…{}", begin(&a), end(&b)) }).collect()
}

fn merged(first: &Step, last: &Step) -> Step {
    let kind = match (&first.kind, &last.kind) {
        (StepKind::Layer { label: a, look }, StepKind::Layer { label: b, .. }) => {
            StepKind::Layer { label: joined(a, b), look: *look }
        }
        (StepKind::Frame { title: a, is_stage, steps: x }, StepKind::Frame { title: b, steps: y, .. }) => {
            StepKind::Frame { title: joined(a, b), is_stage: *is_stage, steps: each(x, y) }
        }
        (StepKind::Arms { join, arms: x, rule: a }, StepKind::Arms { arms: y, rule: b, .. }) => StepKind::Arms {
            join: *join,
            arms: x.iter().zip(y).map(|(x, y)| Lane { steps: each(&x.steps, &y.steps), ..x.clone() }).collect(),
            rule: a.as_ref().zip(b.as_ref()).map(|(a, b)| joined(a, b)),
        },
        (kind, _) => kind.clone(),
    };
    Step { times: first.times, kind, output: joined(&first.output, &last.output) }
}

fn each(first: &[Step], last: &[Step]) -> Vec<Step> {
    first.iter().zip(last).map(|(a, b)| merged(a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::{joined, pieces};

    #[test]
    fn numbers_are_joined_where_they_differ() {
        assert_eq!(joined("conv3x3(21)", "conv3x3(64)"), "conv3x3(21…64)");
        assert_eq!(joined("p=0.98 l=1", "p=0.5 l=1"), "p=0.98…0.5 l=1");
        assert_eq!(joined("16…20 x 8", "24…32 x 8"), "16…32 x 8");
        assert_eq!(pieces("a1.5b").len(), 3);
    }
}
