//! Bodies to a kernel's text: its head, what a block of threads shares, and which block runs which body.

use super::super::Shape;
use super::super::dialect::{Dialect, Table, filled};
use super::super::launch::Argument;
use super::{Type, Writer};

/// What stands before the arguments' names of each body of a kernel.
const BESIDE: [&str; MOST_BESIDE] = ["", "q", "r"];
/// The most bodies of a kernel.
pub(in super::super) const MOST_BESIDE: usize = 3;

/// A kernel's text, and its arguments in order. Several bodies, each with its blocks of threads, run side by side: the
/// first ones are the first body's. All bodies have as many threads a block.
pub(in super::super) fn kernel(mut sides: Vec<(Writer<'_>, Shape)>) -> (String, Vec<Argument>, Shape) {
    let threads = sides[0].1.threads;
    let (dialect, table) = (sides[0].0.dialect, sides[0].0.table);
    let beside = sides.len() > 1;
    let constant = |name: &str, value: &str| filled(table.constant, &["u32", name, value]);
    let mut ends = Vec::new();
    let mut counters = 0;
    for (w, shape) in &mut sides {
        debug_assert_eq!(shape.threads, threads);
        counters += w.count_from(counters);
        if beside {
            let [x, y] = shape.groups;
            ends.push([w.uint("blocks in a row", x), w.uint("blocks of it", x * y)]);
        }
        w.sort();
    }
    let mut text = String::new();
    let before: Vec<String> = shared(&sides)
        .into_iter()
        .map(|(ty, name, len)| filled(table.shared, &[ty.name(), &name, &len.to_string()]))
        .collect();
    if table.shared_before {
        before.iter().for_each(|line| text += &format!("{line}\n"));
    }
    text += &head(dialect, table, &sides);
    if !table.shared_before {
        before.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    match sides.as_slice() {
        [(w, _)] => {
            for (name, axis) in [("group", 'x'), ("tile", 'y')] {
                text += &format!("  {}\n", constant(name, &place_of(dialect, axis)));
            }
            text += &w.body.replace('@', "");
        }
        _ => {
            text += &format!("  {}\n", constant("place0", &place_of(dialect, 'x')));
            for (i, ((w, _), [row, all])) in sides.iter().zip(&ends).enumerate() {
                let last = i + 1 == sides.len();
                let head = if last { "{".to_owned() } else { format!("if (place{i} < {all}) {{") };
                let group = constant("group", &format!("place{i} % {row}"));
                let tile = constant("tile", &format!("place{i} / {row}"));
                let mut side = format!("  {head}\n    {group}\n    {tile}\n");
                w.body.lines().for_each(|line| side += &format!("  {line}\n"));
                if !last {
                    side += "    return;\n";
                }
                side += "  }\n";
                if !last {
                    side += &format!("  {}\n", constant(&format!("place{}", i + 1), &format!("place{i} - {all}")));
                }
                text += &side.replace('@', BESIDE[i]);
            }
        }
    }
    text += "}\n";
    let groups = match sides.as_slice() {
        [(_, shape)] => shape.groups,
        _ => [sides.iter().map(|(_, shape)| shape.groups[0] * shape.groups[1]).sum(), 1],
    };
    let arguments = sides.into_iter().flat_map(|(w, _)| w.named).map(|n| n.argument).collect();
    (text, arguments, Shape { groups, threads })
}

/// The arrays that a block of threads shares: bodies that run side by side are never in one block, so an array of one name
/// is one, as long as the longest.
fn shared(sides: &[(Writer<'_>, Shape)]) -> Vec<(Type, String, usize)> {
    let mut all: Vec<(Type, String, usize)> = Vec::new();
    for (ty, name, len) in sides.iter().flat_map(|(w, _)| &w.shared) {
        match all.iter_mut().find(|(_, known, _)| known == name) {
            Some(known) => known.2 = known.2.max(*len),
            None => all.push((*ty, name.clone(), *len)),
        }
    }
    all
}

/// Which block of threads this is along an axis.
fn place_of(dialect: Dialect, axis: char) -> String {
    match dialect {
        Dialect::Cuda(_) => format!("blockIdx.{axis}"),
        Dialect::Metal | Dialect::Wgsl => format!("place.{axis}"),
    }
}

/// The kernel's head: after it `thread`, `now` and all arguments are known.
fn head(dialect: Dialect, table: &Table, sides: &[(Writer<'_>, Shape)]) -> String {
    let threads = "$threads";
    let all: Vec<(String, &Argument)> = sides
        .iter()
        .zip(BESIDE)
        .flat_map(|((w, _), beside)| w.named.iter().map(move |n| (n.name.replace('@', beside), &n.argument)))
        .collect();
    let mut text = match dialect {
        Dialect::Cuda(_) => {
            let mut parameters = vec!["const Step *this_step".to_owned()];
            for (name, argument) in &all {
                let ty = match argument {
                    Argument::Buffer { written: false, .. } => "Source",
                    Argument::Buffer { written: true, .. } | Argument::Scratch { .. } | Argument::Verdict => "Buffer",
                    Argument::Counters { .. } => "Counters",
                    Argument::Uint(_) => "u32",
                    Argument::Float(_) | Argument::Param(_) => "f32",
                };
                parameters.push(format!("{ty} {name}"));
            }
            // One block a processor is enough: asked for more, ptxas would rather spill than hold fewer.
            format!(
                "extern \"C\" __global__ void __launch_bounds__({threads}, 1) $name({}) {{\n  const Step now = *this_step;\n  \
                 const u32 thread = threadIdx.x;\n",
                parameters.join(", ")
            )
        }
        Dialect::Metal => "kernel void $name(Arena arena [[buffer(0)]], Arguments arguments [[buffer(1)]], \
                           constant Step &this_step [[buffer(2)]],\n    \
                           uint3 place [[threadgroup_position_in_grid]], uint thread [[thread_index_in_threadgroup]]) {\n  \
                           const Step now = this_step;\n"
            .to_owned(),
        Dialect::Wgsl => format!(
            "@compute @workgroup_size({threads})\nfn $name(@builtin(workgroup_id) place: vec3<u32>, \
             @builtin(local_invocation_index) thread: u32) {{\n  let now = this_step;\n"
        ),
    };
    if dialect.passes_buffers() {
        return text;
    }
    for (i, (name, argument)) in all.iter().enumerate() {
        let line = match (dialect, argument) {
            (Dialect::Metal, Argument::Buffer { .. } | Argument::Scratch { .. } | Argument::Verdict) => {
                format!("const Buffer {name} = SDC_BUFFER({i});")
            }
            (
                _,
                Argument::Buffer { .. }
                | Argument::Scratch { .. }
                | Argument::Verdict
                | Argument::Counters { .. }
                | Argument::Uint(_),
            ) => filled(table.constant, &["u32", name, &format!("arguments[{i}]")]),
            (_, Argument::Float(_) | Argument::Param(_)) => {
                filled(table.constant, &["f32", name, &format!("float_of(arguments[{i}])")])
            }
        };
        text += &format!("  {line}\n");
    }
    text
}
