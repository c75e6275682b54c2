//! Where the buffers of a plan lie: what is alive at a time lies apart, and memory that is free is used.

use std::ops::Range;

use sdc::bench;
use sdc::driver::{self, Footprint, Plans};
use sdc::kernel::{Buffer, Lifetime, Plan, Room};

use super::program;

const BATCH: usize = 4;

/// A network most of whose memory is weights, on images of 16 x 16 pixels.
fn plans(footprint: Footprint) -> Plans {
    let text = "use std.wrn.{wrn}\nmodel M {\ninput image[3, 16, 16]\nnet wrn(16, 8, 10)\n}\n";
    let network = program::build(text).network();
    let recipe = bench::plain(&network, BATCH).expect("it has classes");
    driver::plans(&driver::graphs_within(&network, Some(&recipe), footprint), BATCH)
}

fn floats(plan: &Plan, buffer: &Buffer) -> Range<usize> {
    buffer.offset..buffer.offset + buffer.size.len(plan.batch)
}

fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

#[test]
fn feature_maps_lie_where_gradients_will() {
    let plan = plans(Footprint::Normal).train.expect("it is trained");
    plan.verify().expect("no two that are alive overlap");
    let of = |wanted: fn(&Buffer) -> bool| plan.buffers.iter().filter(move |buffer| wanted(buffer));
    let gradients = || of(|buffer| matches!(buffer.lifetime, Lifetime::ToEnd { .. })).map(|b| floats(&plan, b));
    let maps = of(|buffer| matches!(buffer.lifetime, Lifetime::Kernels { .. })).map(|b| floats(&plan, b));
    let shared = maps.filter(|map| gradients().any(|gradient| meet(map, &gradient))).count();
    assert!(shared > 10, "{shared} buffers lie there");
}

#[test]
fn what_a_kernel_works_in_is_free_while_it_runs() {
    let mut plan = plans(Footprint::Low).train.expect("it is trained");
    let before = plan.arena;
    let rooms: Vec<Room> = (0..plan.kernels.len()).map(|i| Room { from: i, to: i, len: 1 << 18 }).collect();
    let places = plan.place(&rooms);
    plan.verify().expect("no two that are alive overlap");
    for (room, start) in rooms.iter().zip(&places) {
        let own = *start..start + room.len;
        assert!(own.end <= plan.arena);
        for buffer in &plan.buffers {
            let alive = match buffer.lifetime {
                Lifetime::Persistent | Lifetime::Step => true,
                Lifetime::ToEnd { from } => from <= room.from,
                Lifetime::Kernels { from, to } => from <= room.from && room.to <= to,
            };
            assert!(!alive || !meet(&own, &floats(&plan, buffer)), "kernel {}: {}", room.from, buffer.name);
        }
    }
    // Most of them lie where something else has lain or will lie.
    assert!(plan.arena < before + 2 * rooms[0].len, "{} floats, and {before} without rooms", plan.arena);
}
