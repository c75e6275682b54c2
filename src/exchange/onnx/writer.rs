//! The model around its operations: inputs, outputs, names, and what stands in the way of one row an operation.
//!
//! Between operations a value is a map, N x C x H x W, or a vector, N x C; each operation asks for the form that it
//! takes. A convolution is written with its bias, and a contraction or normalisation with the test-time factor that
//! follows it, if nothing else reads it: the factor goes into the weights.

use std::collections::BTreeMap;

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};

use super::{Export, message};
use crate::device::State;
use crate::graph::op::{Op, Output, Type};
use crate::graph::{Graph, Node, NodeId};

/// The version of the file's own layout that came with the operator set.
const IR_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 17;

/// What a value is between two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// N x C x H x W.
    Map,
    /// N x C.
    Vector,
}

/// A value by its name.
#[derive(Clone, Debug)]
struct Value {
    name: String,
    form: Form,
}

/// A model that is being written.
pub struct Writer<'a> {
    export: &'a Export<'a>,
    pub graph: &'a Graph,
    names: BTreeMap<NodeId, String>,
    values: BTreeMap<NodeId, Value>,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    infos: Vec<ValueInfoProto>,
}

/// A contraction's or normalisation's last node, with what was found on the way there.
pub struct Chain {
    /// The bias that is added.
    pub bias: Option<NodeId>,
    /// The product of the factors that follow.
    pub factor: f32,
    /// What leaves.
    end: NodeId,
}

/// The whole model.
pub fn write(export: &Export<'_>) -> ModelProto {
    let graph = export.graph;
    let mut writer = Writer {
        export,
        graph,
        names: graph.names(),
        values: BTreeMap::new(),
        nodes: Vec::new(),
        initializers: Vec::new(),
        infos: Vec::new(),
    };
    let (mut input, mut output) = (vec![], vec![]);
    for id in graph.nodes() {
        let node = graph.node(id);
        match &node.op {
            Op::Image => input.push(writer.image(id)),
            Op::Output(Output::Logits) => output.push(writer.logits(id)),
            Op::Parameter { .. } => {}
            _ if writer.values.contains_key(&id) => {}
            _ => writer.operation(id),
        }
    }
    let graph = GraphProto {
        name: export.name.to_owned(),
        node: writer.nodes,
        initializer: writer.initializers,
        input,
        output,
        value_info: writer.infos,
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
        producer_name: "sdc".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        metadata_props: vec![message::said("program", export.program)],
        ..ModelProto::default()
    }
}

impl Writer<'_> {
    /// The input, and the images made of it: (pixel - mean) / deviation.
    fn image(&mut self, id: NodeId) -> ValueInfoProto {
        let dims = &self.graph.node(id).ty.dims;
        let scale = self.export.scale;
        let channels = [1, scale.len(), 1, 1];
        let means: Vec<f32> = scale.iter().map(|s| s.mean).collect();
        let deviations: Vec<f32> = scale.iter().map(|s| s.deviation).collect();
        let mean = self.constant(message::floats("image.mean", &channels, &means));
        let deviation = self.constant(message::floats("image.deviation", &channels, &deviations));
        let (centred, normalised) = ("image/centred".to_owned(), "image/normalised".to_owned());
        self.node("Sub", &centred, vec!["image".to_owned(), mean], &centred, vec![]);
        self.infos.push(message::value(&centred, dims));
        self.node("Div", &normalised, vec![centred, deviation], &normalised, vec![]);
        self.infos.push(message::value(&normalised, dims));
        self.values.insert(id, Value { name: normalised, form: Form::Map });
        message::value("image", dims)
    }

    fn logits(&mut self, id: NodeId) -> ValueInfoProto {
        let last = self.graph.inputs(id)[0];
        let value = self.values[&last].clone();
        if value.name != LOGITS {
            let (operator, attributes) = match value.form {
                Form::Map => ("Flatten", vec![message::integer("axis", 1)]),
                Form::Vector => ("Identity", vec![]),
            };
            self.node(operator, LOGITS, vec![value.name], LOGITS, attributes);
        }
        message::value(LOGITS, &[self.graph.node(last).ty.elements()])
    }

    /// What follows a contraction or normalisation and can be written with it.
    pub fn chain(&self, id: NodeId) -> Chain {
        let mut chain = Chain { bias: None, factor: 1.0, end: id };
        while let [reader] = self.graph.consumers(chain.end)[..] {
            match &self.graph.node(reader).op {
                Op::AddChannel => chain.bias = Some(self.graph.inputs(reader)[1]),
                Op::ScaleConst { factor, .. } => chain.factor *= *factor as f32,
                _ => break,
            }
            chain.end = reader;
        }
        chain
    }

    /// A parameter as a constant of the model, each number times `factor`; its name.
    pub fn weight(&mut self, parameter: NodeId, factor: f32) -> String {
        let Node { op: Op::Parameter { path, .. }, ty, .. } = self.graph.node(parameter) else {
            unreachable!("a weight is a parameter")
        };
        let mut values = self.export.engine.read(&State::Parameter(path.clone()));
        values.iter_mut().for_each(|v| *v *= factor);
        self.constant(message::floats(path.as_str(), &ty.dims, &values))
    }

    /// A constant of the model; its name.
    pub fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.initializers.push(tensor);
        name
    }

    /// What a node reads, in the form that it takes.
    pub fn input(&mut self, id: NodeId, input: usize, form: Form) -> String {
        let read = self.graph.inputs(id)[input];
        self.value(read, form)
    }

    fn value(&mut self, id: NodeId, form: Form) -> String {
        let value = self.values[&id].clone();
        let dims = self.graph.node(id).ty.dims.clone();
        match (value.form, form) {
            (Form::Map, Form::Map) | (Form::Vector, Form::Vector) => value.name,
            (Form::Map, Form::Vector) => {
                let name = format!("{}/vector", value.name);
                if self.once(&name) {
                    self.node("Flatten", &name, vec![value.name], &name, vec![message::integer("axis", 1)]);
                    self.infos.push(message::value(&name, &[dims.iter().product()]));
                }
                name
            }
            (Form::Vector, Form::Map) => {
                let name = format!("{}/map", value.name);
                if self.once(&name) {
                    let axes = self.constant(message::integers(&format!("{name}.axes"), &[2, 3]));
                    self.node("Unsqueeze", &name, vec![value.name, axes], &name, vec![]);
                    self.infos.push(message::value(&name, &dims));
                }
                name
            }
        }
    }

    /// Whether nothing of this name was written yet.
    fn once(&self, name: &str) -> bool {
        self.nodes.iter().all(|node| node.name != name)
    }

    /// The form that a node's input has.
    pub fn form(&self, id: NodeId, input: usize) -> Form {
        self.values[&self.graph.inputs(id)[input]].form
    }

    /// A node's name.
    pub fn name(&self, id: NodeId) -> String {
        self.names[&id].clone()
    }

    /// Writes a node that has one output; `chain` is what is written with it.
    pub fn write(
        &mut self,
        id: NodeId,
        chain: &Chain,
        operator: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
        form: Form,
    ) {
        let name = self.name(id);
        let last = matches!(self.graph.consumers(chain.end)[..], [reader] if matches!(self.graph.node(reader).op, Op::Output(_)));
        let Type { dims, .. } = &self.graph.node(chain.end).ty;
        let output = match form {
            Form::Vector if last => LOGITS.to_owned(),
            Form::Vector | Form::Map => name.clone(),
        };
        if output != LOGITS {
            let dims = match form {
                Form::Map => dims.clone(),
                Form::Vector => vec![dims.iter().product()],
            };
            self.infos.push(message::value(&output, &dims));
        }
        self.node(operator, &name, inputs, &output, attributes);
        // Those between the node and its chain's end are read by the chain alone.
        let mut written = id;
        loop {
            self.values.insert(written, Value { name: output.clone(), form });
            if written == chain.end {
                break;
            }
            written = self.graph.consumers(written)[0];
        }
    }

    /// Writes a node with which nothing else is written.
    pub fn write_alone(
        &mut self,
        id: NodeId,
        operator: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
        form: Form,
    ) {
        let alone = Chain { bias: None, factor: 1.0, end: id };
        self.write(id, &alone, operator, inputs, attributes, form);
    }

    /// A node as it stands.
    pub fn node(
        &mut self,
        operator: &str,
        name: &str,
        input: Vec<String>,
        output: &str,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            name: name.to_owned(),
            op_type: operator.to_owned(),
            input,
            output: vec![output.to_owned()],
            attribute,
            ..NodeProto::default()
        });
    }
}

/// The name of what leaves.
const LOGITS: &str = "logits";
