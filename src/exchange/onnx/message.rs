//! The messages of the format, made in one line each.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::{self, Tensor};
use tract_onnx::pb::{
    AttributeProto, StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
};

/// A tensor of single precision.
pub fn floats(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, dims, DataType::Float, bytes)
}

/// A vector of whole numbers, as shapes and places are.
pub fn integers(name: &str, values: &[i64]) -> TensorProto {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, &[values.len()], DataType::Int64, bytes)
}

fn tensor(name: &str, dims: &[usize], of: DataType, raw_data: Vec<u8>) -> TensorProto {
    let dims = dims.iter().map(|&n| n as i64).collect();
    TensorProto { name: name.to_owned(), dims, data_type: of as i32, raw_data, ..TensorProto::default() }
}

/// A value's name and type: the batch, then `dims`.
pub fn value(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dimension = |value| Dimension { value: Some(value), ..Dimension::default() };
    let batch = dimension(dimension::Value::DimParam("batch".to_owned()));
    let rest = dims.iter().map(|&n| dimension(dimension::Value::DimValue(n as i64)));
    let shape = TensorShapeProto { dim: [batch].into_iter().chain(rest).collect() };
    let tensor = Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(ty), ..ValueInfoProto::default() }
}

/// An attribute that is a whole number.
pub fn integer(name: &str, i: usize) -> AttributeProto {
    attribute(AttributeProto { i: i as i64, ..AttributeProto::default() }, name, AttributeType::Int)
}

/// An attribute that is a list of whole numbers.
pub fn list(name: &str, ints: &[usize]) -> AttributeProto {
    let ints = ints.iter().map(|&i| i as i64).collect();
    attribute(AttributeProto { ints, ..AttributeProto::default() }, name, AttributeType::Ints)
}

/// An attribute that is a number.
pub fn number(name: &str, f: f64) -> AttributeProto {
    attribute(AttributeProto { f: f as f32, ..AttributeProto::default() }, name, AttributeType::Float)
}

fn attribute(value: AttributeProto, name: &str, of: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: of as i32, ..value }
}

/// Something said of the model.
pub fn said(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.to_owned(), value: value.to_owned() }
}
