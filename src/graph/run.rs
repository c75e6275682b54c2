//! Runs a graph with luminal's executor, in f64: the oracle.

use std::collections::BTreeMap;

use luminal::tensor::Tensor;

use super::array::Array;
use super::op::{Op, Output};
use super::{Graph, NodeId};
use crate::net::Path;
use crate::net::recipe::Memory;

/// What a step starts from. What the graph has no source for may be left empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// N x C x H x W, row-major; their number decides N.
    pub images: Vec<f64>,
    /// N x classes.
    pub targets: Vec<f64>,
    /// The key of the draws.
    pub seed: u64,
    /// The step, from 0.
    pub step: u32,
    /// The learning rate.
    pub rate: f64,
    /// Weights and running statistics.
    pub parameters: BTreeMap<Path, Vec<f64>>,
    /// What the optimizer keeps, by the parameter's path.
    pub memories: BTreeMap<(Memory, Path), Vec<f64>>,
}

/// What a step hands out.
pub type Outputs = BTreeMap<Output, Vec<f64>>;

impl Graph {
    /// Executes the graph.
    ///
    /// # Panics
    /// Where `inputs` lacks something that the graph reads, or holds it in another size.
    pub fn run(&mut self, inputs: &Inputs) -> Outputs {
        let outputs = self.outputs();
        // luminal takes a tensor that is still there for a result, so nothing may stay from the run before.
        self.luminal.tensors.clear();
        self.luminal.no_delete = outputs.values().copied().collect();
        self.set_sources(inputs);
        // Sorts anew: nodes may have been added since luminal last did.
        self.luminal.compile((), ());
        self.luminal.execute();
        let mut take = |id| self.luminal.get_tensor(id, 0).expect("an output is kept");
        let results = outputs.into_iter().map(|(name, id)| (name, Array::of(&take(id)).values.clone())).collect();
        self.luminal.tensors.clear();
        results
    }

    fn set_sources(&mut self, inputs: &Inputs) {
        let ids: Vec<NodeId> = self.luminal.graph.node_indices().collect();
        let image = ids.iter().find(|&&id| self.node(id).op == Op::Image);
        let images = image.map_or(1, |&id| inputs.images.len() / self.node(id).ty.elements());
        assert!(images > 0, "a step needs an image");
        let state = |values: Option<&Vec<f64>>, path: &Path| match values {
            Some(values) => values.clone(),
            None => panic!("the inputs lack {path}"),
        };
        for id in ids {
            let node = self.node(id);
            let values = match &node.op {
                Op::Image => inputs.images.clone(),
                Op::Target => inputs.targets.clone(),
                Op::Clock => {
                    let (low, high) = (inputs.seed as u32, (inputs.seed >> 32) as u32);
                    vec![low.into(), high.into(), inputs.step.into(), images as f64]
                }
                Op::Rate => vec![inputs.rate],
                Op::Parameter { path, .. } => state(inputs.parameters.get(path), path),
                Op::Memory { memory, path } => state(inputs.memories.get(&(*memory, path.clone())), path),
                _ => continue,
            };
            let array = Array::new(&node.ty, images, values);
            self.luminal.set_tensor(id, 0, Tensor::new(array));
        }
    }
}
