//! `sdc summary`: a network part by part, its rules site by site, and what it needs.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::table::{Align, Table};
use super::{Chosen, Format, Memory, at, failed, print, report, threads};
use crate::diag::grouped;
use crate::driver::{self, Built, Input, Session};
use crate::net::{Counts, Group, GroupKind, Network, Node, Path, Site};

/// Show a network: layers, shapes, parameters, multiply-adds, rules, memory.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Only the part at this path, in full: a layer, a residual, a rule's equations with the site's numbers in them.
    #[arg(long, value_name = "PATH")]
    at: Option<String>,
    /// How much memory a training step may take.
    #[arg(long, value_enum, default_value_t)]
    memory: Memory,
    /// JSON in place of tables.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let built = driver::build(&mut session, &Input::named(&args.chosen.file), &args.chosen.choice());
    if let (Some(Built { network, .. }), Some(path)) = (&built, &args.at) {
        match at::parts(network, path) {
            Err(failure) => return failed(&failure),
            Ok(parts) => print(match args.json {
                true => format!("{:#}\n", at::to_json(&parts, &session.sources)),
                false => at::to_text(network, &parts, &session.sources),
            }),
        }
    } else if let Some(Built { network, recipe }) = &built {
        let memory = recipe.as_ref().map(|recipe| {
            let plans = driver::plans(&driver::graphs_within(network, Some(recipe), args.memory.into()), recipe.batch);
            (plans.bytes(threads(None)), recipe.batch)
        });
        print(match args.json {
            true => format!("{:#}\n", to_json(network, memory.map(|(bytes, _)| bytes))),
            false => to_text(network, memory),
        });
    }
    report(&session, Format::Text)
}

/// Tables of parts and of sites, then totals. `memory` is bytes for a batch of so many images.
pub fn to_text(network: &Network, memory: Option<(u64, usize)>) -> String {
    let mut out = format!("{}: {} -> {}\n\n", network.name, network.input, network.output);
    let mut parts = Table::new(&[
        ("path", Align::Left),
        ("", Align::Left),
        ("output", Align::Right),
        ("parameters", Align::Right),
        ("multiply-adds", Align::Right),
    ]);
    rows(&mut parts, &network.body, &Path::root(), 0);
    let _ = writeln!(out, "{parts}");
    let sites = network.sites();
    if !sites.is_empty() {
        let mut table = Table::new(&[
            ("site", Align::Left),
            ("l", Align::Right),
            ("rule", Align::Left),
            ("p", Align::Right),
            ("E[forward]", Align::Right),
            ("Var[forward]", Align::Right),
        ]);
        for site in &sites {
            let l = site.l.map_or(String::new(), |l| l.to_string());
            let p = site.rule.gate_probability().map_or(String::new(), |p| format!("{p:.6}"));
            let variances = (0..site.rule.forward.len()).map(|branch| match site.rule.variance_forward(branch) {
                Ok(v) => format!("{v:.6}"),
                Err(_) => "no closed form".to_owned(),
            });
            let (means, variances): (Vec<_>, Vec<_>) =
                (site.rule.test.iter().map(|t| format!("{t:.6}")).collect(), variances.collect());
            table.row([site.path.to_string(), l, site.rule.name.clone(), p, means.join(", "), variances.join(", ")]);
        }
        let _ = writeln!(out, "{table}");
    }
    let Counts { parameters, multiply_adds } = network.counts();
    let _ = writeln!(out, "parameters     {}", grouped(parameters));
    let _ = writeln!(out, "multiply-adds  {} an image", grouped(multiply_adds));
    if !sites.is_empty() {
        let _ = writeln!(out, "sites          {} on {} residuals", sites.len(), network.residuals);
        let work = network.work();
        if work.expected < work.all {
            let saved = at::percent(work.saved());
            let _ = writeln!(out, "work saved     {saved} of a training step's multiply-adds, behind gates that are 0");
        }
    }
    if let Some((bytes, batch)) = memory {
        let _ = writeln!(out, "peak memory    {} planned for a step of {batch} images", size(bytes));
    }
    out
}

/// The same as one JSON object.
pub fn to_json(network: &Network, memory: Option<u64>) -> Value {
    let Counts { parameters, multiply_adds } = network.counts();
    let mut layers = Vec::new();
    network.layers(&mut |layer| {
        let counts = layer.counts();
        let shape = [layer.output.channels, layer.output.height, layer.output.width];
        layers.push(json!({
            "path": layer.path.as_str(),
            "layer": layer.op.to_string(),
            "output": shape,
            "parameters": counts.parameters,
            "multiply_adds": counts.multiply_adds,
        }));
    });
    let sites: Vec<Value> = network.sites().into_iter().map(site_json).collect();
    json!({
        "model": network.name,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "saved_share": network.work().saved(),
        "peak_memory_bytes": memory,
        "residuals": network.residuals,
        "layers": layers,
        "sites": sites,
    })
}

/// `test_factor` is one number, or one a branch for a list-valued rule.
fn site_json(site: &Site) -> Value {
    let one_or_list = |list: Vec<Value>| if let [one] = &list[..] { one.clone() } else { Value::from(list) };
    let variances = (0..site.rule.forward.len()).map(|b| json!(site.rule.variance_forward(b).ok()));
    json!({
        "path": site.path.as_str(),
        "l": site.l,
        "rule": site.rule.name,
        "p": site.rule.gate_probability(),
        "test_factor": one_or_list(site.rule.test.iter().map(|t| json!(t)).collect()),
        "variance": one_or_list(variances.collect()),
    })
}

fn rows(table: &mut Table, body: &[Node], outer: &Path, depth: usize) {
    for node in body {
        let (path, what) = match node {
            Node::Layer(layer) => (&layer.path, layer.op.to_string()),
            Node::Group(Group { path, kind: GroupKind::Stage, .. }) => (path, "stage".to_owned()),
            Node::Group(Group { path, kind: GroupKind::Block(name), .. }) => (path, name.clone()),
            Node::Residual(residual) => (&residual.path, format!("residual, l = {}", residual.l)),
            Node::Concat(concat) => (&concat.path, "concat".to_owned()),
            Node::Gate(gate) => (&gate.path, "scale".to_owned()),
        };
        let Counts { parameters, multiply_adds } = node.counts();
        let name = if path == outer { String::new() } else { path.tail(outer).to_owned() };
        let count = |n: u64| if n == 0 { String::new() } else { grouped(n) };
        let shape = node.output().to_string();
        // A residual that has its block's path adds no row of numbers of its own.
        if !name.is_empty() {
            table.row([format!("{}{name}", "  ".repeat(depth)), what, shape, count(parameters), count(multiply_adds)]);
        } else {
            table.heading(format!("{}{what}", "  ".repeat(depth)), "");
        }
        let mut arm = |arm: &crate::net::Arm, identity: bool| {
            let what = if identity { "identity" } else { "" };
            table.heading(format!("{}{}", "  ".repeat(depth + 1), arm.path.tail(path)), what);
            rows(table, &arm.body, &arm.path, depth + 2);
        };
        match node {
            Node::Layer(_) => {}
            Node::Group(group) => rows(table, &group.body, path, depth + 1),
            Node::Residual(residual) => {
                residual.branches.iter().for_each(|a| arm(a, false));
                arm(&residual.shortcut, residual.shortcut.body.is_empty());
            }
            Node::Concat(concat) => concat.arms.iter().for_each(|a| arm(a, a.body.is_empty())),
            // A gate's one arm has the path of the gate.
            Node::Gate(gate) => rows(table, &gate.arm.body, path, depth + 1),
        }
    }
}

/// Bytes in the unit that a person reads.
pub fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} kB", b / 1e3),
    }
}
