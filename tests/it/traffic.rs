//! How often the feature maps of a block pass through memory: what fusing has gained must not be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sdc::kernel::{BufferId, Kernel, Size, When};
use sdc::{bench, driver};

use super::program;

/// Images: as many as training takes, since fewer are parted otherwise.
const BATCH: usize = 128;

/// The second of three equal blocks, so that what stands around it is a block again. Where it has gates they are all open, or
/// all closed.
fn of_block(blocks: &str, block: &str, place: &str, gates: f32) -> String {
    let text = format!(
        "use std.resnet.{{basic}}\nuse std.pyramidnet.{{pyramid_basic}}\nuse std.regularizers.{{shakedrop, random_drop}}\n\
         model M {{\ninput image[3, 8, 8]\nnet {{ conv3x3(16); bn; {blocks} bn; relu; global_avg_pool; linear(4) }}\n{place}\n}}\n"
    );
    let outcome = program::build(&text);
    assert!(!outcome.problems.has_errors(), "{}", outcome.rendered());
    let network = outcome.built.expect("it builds").network;
    let recipe = bench::plain(&network, BATCH);
    let engine = driver::compile(driver::plans(&driver::graphs(&network, recipe.as_ref()), BATCH), 1);
    let plan = engine.training_plan().expect("it is trained");
    let whole =
        |id: &BufferId| matches!(plan.buffer(*id).size, Size::Feature { height, width, .. } if height * width > 1);
    let mut lines = [String::new(), String::new()];
    // For each map how often it is read and written, forward and backward.
    let mut maps: BTreeMap<&str, [[usize; 2]; 2]> = BTreeMap::new();
    let runs = |kernel: &Kernel| match kernel.when {
        When::Always => true,
        When::Open(_) => gates > 0.0,
        When::Closed(_) => gates == 0.0,
    };
    for (number, kernel) in plan.kernels.iter().enumerate() {
        // Two kernels in one pass of the engine read a map once.
        let pass = engine.pass(number);
        let with_its_reader = number + 1 < plan.kernels.len()
            && engine.pass(number + 1).contains(&number)
            && runs(&plan.kernels[number + 1]);
        let of_maps = plan.kernels[pass.clone()].iter().any(|kernel| kernel.reads().iter().any(whole));
        if pass.is_empty() || with_its_reader || !runs(kernel) || !of_maps || !kernel.layer().starts_with(block) {
            continue;
        }
        let together: Vec<Kernel> = plan.kernels[pass].iter().map(|kernel| decided(kernel.clone(), gates)).collect();
        let of = |ids: fn(&Kernel) -> Vec<BufferId>| -> BTreeSet<BufferId> {
            together.iter().flat_map(ids).filter(whole).collect()
        };
        let written = of(Kernel::writes);
        // What an epilogue reads of its own kernel's result is still in cache.
        let read: BTreeSet<BufferId> = of(Kernel::reads).difference(&written).copied().collect();
        let name = |id: &BufferId| plan.buffer(*id).name.as_str();
        let pass = usize::from(together[0].name().starts_with("d/"));
        let list = |ids: &BTreeSet<BufferId>| {
            let names: BTreeSet<_> = ids.iter().map(name).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
        };
        let names: Vec<_> = together.iter().map(Kernel::name).collect();
        let _ = writeln!(
            lines[pass],
            "{}\n    reads  {}\n    writes {}",
            names.join(" with "),
            list(&read),
            list(&written)
        );
        read.iter().for_each(|id| maps.entry(name(id)).or_default()[pass][0] += 1);
        written.iter().for_each(|id| maps.entry(name(id)).or_default()[pass][1] += 1);
    }
    let [forward, backward] = lines;
    let mut out = format!(
        "{blocks} {place}\nwhat the kernels of {block} read and write\n\nforward\n{forward}\nbackward\n{backward}\n"
    );
    let _ = writeln!(out, "{:50} {:>16} {:>16}", "feature map", "forward: r w", "backward: r w");
    let mut sums = [0, 0];
    for (map, [[fr, fw], [br, bw]]) in &maps {
        let _ = writeln!(out, "{map:50} {:>16} {:>16}", format!("{fr} {fw}"), format!("{br} {bw}"));
        sums = [sums[0] + fr + fw, sums[1] + br + bw];
    }
    let _ = writeln!(out, "passes over memory: {} forward, {} backward", sums[0], sums[1]);
    out
}

fn decided(kernel: Kernel, gates: f32) -> Kernel {
    match kernel.gate() {
        Some(gate) => decided(kernel.specialised(gate, gates), gates),
        None => kernel,
    }
}

#[test]
fn passes_over_memory_of_a_block_of_each_kind() {
    let shakedrop = "place shakedrop(p: 0.5, level: pixel) on residuals";
    let random_drop = "place random_drop(p: 0.5) on residuals";
    let resnet = ["relu; basic(16); basic(16); basic(16);", "basic[1]"];
    let pyramidnet = ["pyramid_basic(20); pyramid_basic(24); pyramid_basic(28);", "pyramid_basic[1]"];
    for (name, [blocks, block], place, gates) in [
        ("passes_of_a_resnet_block", resnet, "", 1.0),
        ("passes_of_a_resnet_block_shakedrop", resnet, shakedrop, 1.0),
        ("passes_of_a_resnet_block_shakedrop_closed", resnet, shakedrop, 0.0),
        ("passes_of_a_resnet_block_random_drop", resnet, random_drop, 1.0),
        ("passes_of_a_resnet_block_random_drop_closed", resnet, random_drop, 0.0),
        ("passes_of_a_pyramidnet_block_shakedrop", pyramidnet, shakedrop, 1.0),
        ("passes_of_a_pyramidnet_block_shakedrop_closed", pyramidnet, shakedrop, 0.0),
    ] {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../golden/kernels");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, of_block(blocks, block, place, gates)));
    }
}
