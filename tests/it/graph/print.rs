//! Graphs as text: golden snapshots, and lines that stay where the network stays.

use sdc::grad::Differentiate;
use sdc::graph::Graph;
use sdc::net::{Level, Network, Shape};
use sdc::passes::{Sweep, Update};

use super::build::*;

fn training_graph(network: &Network) -> Graph {
    let mut graph = train_graph(network);
    graph.luminal.compile((Differentiate, Update { optimizer: sgd() }, Sweep), ());
    graph
}

/// Two groups of residuals under ShakeDrop; `blocks` in the first, `extra` at the end of the first one's branch.
fn small(blocks: usize, extra: bool) -> Network {
    network(Shape::new(3, 8, 8), |s| {
        s.group("stem", &|s| {
            s.conv(4, 3, 1).bn();
        });
        for (blocks, width, stride) in [(blocks, 4, 1), (1, 6, 2)] {
            s.group("group", &|s| {
                for block in 0..blocks {
                    let rule = shakedrop(1.0 - 0.1 / blocks as f64, (-1.0, 1.0), (0.0, 1.0), Level::Pixel);
                    let rules = Rules { at_sum: Some(rule), ..Rules::default() };
                    let branch = |s: &mut Scope<'_>| {
                        s.bn().conv(width, 3, stride).bn().relu();
                        if extra && block == 0 && stride == 1 {
                            s.pool(true, 3, 1, 1);
                        }
                        s.conv(width, 3, 1).bn();
                    };
                    s.residual(rules, &[&branch], &|s| {
                        if stride > 1 {
                            s.pool(false, 2, 2, 0).pad_channels(width);
                        }
                    });
                }
            });
        }
        s.bn().relu().global_avg_pool().linear(10);
    })
}

fn golden(name: &str, graph: &Graph) {
    insta::with_settings!({
        snapshot_path => "../../golden/graph",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, graph);
    });
}

#[test]
fn a_small_residual_net() {
    let network = network(Shape::new(3, 8, 8), |s| {
        let rule = shakedrop(0.5, (-1.0, 1.0), (0.0, 1.0), Level::Pixel);
        let rules = Rules { at_sum: Some(rule), ..Rules::default() };
        let branch: &dyn Fn(&mut Scope<'_>) = &|s| {
            s.conv(6, 3, 2).bn().relu().conv(6, 3, 1).bn();
        };
        s.group("stem", &|s| {
            s.conv(4, 3, 1);
        });
        s.residual(rules, &[branch], &|s| {
            s.pool(false, 2, 2, 0).pad_channels(6);
        });
        s.relu().global_avg_pool().linear(10);
    });
    golden("train", &train_graph(&network));
    golden("step", &training_graph(&network));
    golden("test", &sdc::lower::lower(&network, sdc::lower::Mode::Test));
}

/// The names of the lines of `old` that `new` does not have.
fn gone(old: &Graph, new: &Graph) -> Vec<String> {
    let (old, new) = (old.to_string(), new.to_string());
    let kept: std::collections::BTreeSet<_> = new.lines().collect();
    let name = |line: &str| line.split(": ").next().expect("a line has a name").to_owned();
    old.lines().filter(|line| !kept.contains(line)).map(name).collect()
}

#[test]
fn an_inserted_layer_changes_what_reads_it_alone() {
    let (old, new) = (training_graph(&small(2, false)), training_graph(&small(2, true)));
    let branch = "group[0].block[0].branch[0]";
    // What read the relu, forward and for the weight's gradient.
    assert_eq!(gone(&old, &new), [format!("{branch}.conv[1]"), format!("d/{branch}.conv[1].weight")]);
}

#[test]
fn an_appended_block_changes_no_line() {
    let none: [String; 0] = [];
    assert_eq!(gone(&training_graph(&small(1, false)), &training_graph(&small(2, false))), none);
}

#[test]
fn names_are_unique() {
    let graph = training_graph(&small(2, true));
    let names: std::collections::BTreeSet<_> = graph.names().into_values().collect();
    assert_eq!(names.len(), graph.nodes().len());
}
