//! `sdc graph`: what is folded, what stands on edges and arms, that each format is well formed.

use sdc::diagram::Diagram;
use sdc::source::NoFiles;

use crate::program::build_with;

fn diagram(text: &str) -> Diagram {
    let outcome = build_with(text, &NoFiles, None, &[]);
    let rendered = outcome.rendered();
    Diagram::of(&outcome.built.unwrap_or_else(|| panic!("{rendered}")).network)
}

const PYRAMID: &str = "use std.pyramidnet.{pyramidnet}
use std.regularizers.{shakedrop, linear_decay}
model M {
    input image[3, 32, 32]
    net pyramidnet(depth: 110, alpha: 48, classes: 10)
    place shakedrop(p: linear_decay(l, L)) on residuals
}
";

#[test]
fn blocks_that_differ_in_numbers_are_one() {
    let text = diagram(PYRAMID).mermaid();
    assert!(text.contains("subgraph f2[\"group[0]\"]"), "{text}");
    assert!(text.contains("pyramid_basic ×18"), "{text}");
    assert!(text.contains("shakedrop l=1…18 p_l=0.991…0.833"), "{text}");
    assert!(text.lines().count() < 180, "{text}");
    insta::assert_snapshot!("pyramidnet_mermaid", text);
}

#[test]
fn every_format_is_well_formed() {
    for (name, text) in [
        ("pyramid", PYRAMID),
        ("shake", include_str!("../../benches/networks/shake-shake26-2x32d.sd")),
        ("densenet", include_str!("../../examples/densenet_bc_100.sd")),
        ("senet", include_str!("../../examples/se_resnext50.sd")),
    ] {
        let diagram = diagram(text);
        let svg = diagram.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
        let quotes = svg.matches('"').count();
        assert!(quotes.is_multiple_of(2), "{name}");
        let dot = diagram.dot();
        assert_eq!(dot.matches('{').count(), dot.matches('}').count(), "{name}");
        let mermaid = diagram.mermaid();
        let closed = mermaid.lines().filter(|l| l.trim() == "end").count();
        assert_eq!(mermaid.matches("subgraph ").count(), closed, "{name}");
        let json = serde_json::to_value(&diagram).expect("it is JSON");
        assert!(json["steps"].as_array().is_some_and(|s| s.len() >= 3), "{name}");
    }
}

#[test]
fn a_picture_holds_what_happens_and_nothing_else() {
    let text = "use std.resnet.{basic}
use std.wrn.{wrn}
model Same { input image[16, 8, 8]; net { basic(16); basic(16) } }
";
    // The shortcut's block does nothing where the shape stays.
    let svg = diagram(text).svg();
    assert!(svg.contains(">basic  ×2<") && !svg.contains(">pad<"), "{svg}");
    // The shape that leaves stands below, as that which enters stands above.
    assert_eq!(svg.matches(">16 x 8 x 8<").count(), 2, "{svg}");
    let wide = diagram("use std.wrn.{wrn}\nmodel M { input image[3, 32, 32]; net wrn(16, 4, 10) }\n").svg();
    assert!(wide.contains(">conv3x3(64)<") && !wide.contains("init"), "{wide}");
    assert!(wide.contains("M: 2,748,890 parameters"), "{wide}");
}
