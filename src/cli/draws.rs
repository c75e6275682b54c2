//! `sdc draws`: the random numbers that a training step uses, site by site.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::table::{Align, Table};
use super::{Chosen, Format, print, report};
use crate::driver::{self, Built, Input, Session};
use crate::net::{Draw, Site};
use crate::num::draw::Stream;

/// Print the random numbers that a step uses.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// The step, from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    step: u32,
    /// Only the sites that a path or pattern selects, as `group[1].*`.
    #[arg(long, value_name = "PATH")]
    site: Option<String>,
    /// All numbers as one JSON object.
    #[arg(long)]
    json: bool,
    /// The raw 32-bit words in place of numbers.
    #[arg(long)]
    words: bool,
}

/// Numbers of a draw that the table shows.
const SHOWN: usize = 4;

/// What a step draws from: its number, the key, and how many images it has.
#[derive(Clone, Copy, Debug)]
struct Step {
    number: u32,
    seed: u64,
    images: usize,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let built = driver::build(&mut session, &Input::named(&args.chosen.file), &args.chosen.choice());
    let Some(Built { network, recipe }) = built else { return report(&session, Format::Text) };
    let (seed, images) = recipe.map_or((0, 1), |recipe| (recipe.seed, recipe.batch));
    let step = Step { number: args.step, seed, images };
    let wanted = |site: &&Site| args.site.as_ref().is_none_or(|p| site.path.matches(p) || site.path.as_str() == p);
    let sites: Vec<&Site> = network.sites().into_iter().filter(wanted).collect();
    match args.json {
        true => write_json(&sites, step, args.words, &mut |text| print(text)),
        false => print(to_text(&sites, step, args.words)),
    }
    report(&session, Format::Text)
}

fn to_text(sites: &[&Site], step: Step, as_words: bool) -> String {
    let mut out = format!("step {}, seed {}, {} images\n\n", step.number, step.seed, step.images);
    let mut table = Table::new(&[
        ("site", Align::Left),
        ("draw", Align::Left),
        ("per", Align::Left),
        ("from", Align::Left),
        ("count", Align::Right),
        ("first", Align::Left),
        ("mean", Align::Right),
    ]);
    for site in sites {
        for (i, draw) in site.rule.draws.iter().enumerate() {
            let numbers = |word: u32| f64::from(draw.distribution.sample(word));
            let (mut count, mut sum) = (0u64, 0.0);
            let mut first = Vec::new();
            for word in words(site, i, step) {
                count += 1;
                sum += numbers(word);
                if first.len() < SHOWN {
                    first.push(if as_words { format!("{word:08x}") } else { format!("{:.4}", numbers(word)) });
                }
            }
            table.row([
                site.path.to_string(),
                site.rule.draw_name(i),
                draw.level.to_string(),
                draw.distribution.to_string(),
                count.to_string(),
                first.join(" "),
                format!("{:.4}", sum / count as f64),
            ]);
        }
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "{table}");
    out
}

/// One draw of a site with all its numbers.
#[derive(Serialize)]
struct DrawJson {
    draw: usize,
    name: String,
    level: &'static str,
    from: String,
    values: Numbers,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    Words(Vec<u32>),
    Values(Vec<f64>),
}

/// One JSON object, handed out draw by draw: a step of a large network has more numbers than a machine can hold.
fn write_json(sites: &[&Site], step: Step, as_words: bool, write: &mut dyn FnMut(String)) {
    let Step { number, seed, images } = step;
    write(format!("{{\"step\":{number},\"seed\":{seed},\"images\":{images},\"sites\":["));
    for (s, site) in sites.iter().enumerate() {
        let comma = if s > 0 { "," } else { "" };
        write(format!("{comma}{{\"path\":{},\"l\":{},\"draws\":[", json!(site.path.as_str()), json!(site.l)));
        for (draw, Draw { level, distribution, .. }) in site.rule.draws.iter().enumerate() {
            let all = words(site, draw, step);
            let values = match as_words {
                true => Numbers::Words(all.collect()),
                false => Numbers::Values(all.map(|word| distribution.sample(word).into()).collect()),
            };
            let (name, from) = (site.rule.draw_name(draw), distribution.to_string());
            let text = serde_json::to_string(&DrawJson { draw, name, level: level.name(), from, values });
            let comma = if draw > 0 { "," } else { "" };
            write(format!("{comma}{}", text.expect("numbers and names are JSON")));
        }
        write("]}".into());
    }
    write("]}\n".into());
}

/// The words that a draw uses in a step, in the order of its indices.
fn words(site: &Site, draw: usize, step: Step) -> impl Iterator<Item = u32> {
    let stream = Stream::of_rule(site.path.as_str(), draw);
    let indices = site.rule.draws[draw].level.indices(site.shape, step.images);
    indices.map(move |index| stream.word(step.seed, step.number, index))
}
