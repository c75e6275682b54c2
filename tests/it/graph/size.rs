//! A network as large as they are published stays quick to build.

use std::time::Instant;

use sdc::grad::Differentiate;
use sdc::net::{Level, Shape};
use sdc::passes::{Sweep, Update};

use super::build::*;

/// 272 layers: 90 bottleneck residuals (Yamada et al. 2019), narrow, since only their number matters here.
#[test]
fn a_net_of_272_layers() {
    let network = network(Shape::new(3, 32, 32), |s| {
        s.conv(16, 3, 1).bn();
        for i in 0..90 {
            let stride = if i == 30 || i == 60 { 2 } else { 1 };
            let rule = shakedrop(1.0 - 0.5 * f64::from(i) / 90.0, (-1.0, 1.0), (0.0, 1.0), Level::Pixel);
            let branch = |s: &mut Scope<'_>| {
                s.bn().conv(4, 1, 1).bn().relu().conv(4, 3, stride).bn().relu().conv(16, 1, 1).bn();
            };
            let rules = Rules { at_sum: Some(rule), ..Rules::default() };
            s.residual(rules, &[&branch], &|s| {
                if stride > 1 {
                    s.pool(false, 2, 2, 0);
                }
            });
        }
        s.bn().relu().global_avg_pool().linear(10);
    });
    let start = Instant::now();
    let mut graph = train_graph(&network);
    let lowered = start.elapsed();
    graph.luminal.compile((Differentiate, Update { optimizer: sgd() }, Sweep), ());
    let compiled = start.elapsed();
    graph.verify().expect("a large graph is valid");
    let nodes = graph.nodes().len();
    eprintln!("{nodes} nodes; lowered {lowered:?}, compiled {compiled:?}, verified {:?}", start.elapsed());
    assert!(compiled.as_secs_f64() < 5.0, "{nodes} nodes took {compiled:?}");
}
