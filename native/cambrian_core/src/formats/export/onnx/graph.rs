//! A graph of operators, built from its inputs.

use super::proto::{
    ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS, Attribute, Dimension, Entry, FLOAT, GraphOf,
    INT64, Model, Node, OperatorSet, Shape, Size, Tensor, TensorType, Type, ValueInfo,
};
use crate::base::math::LIMIT;
use prost::Message;
use std::collections::HashMap;

const OPSET: i64 = 17;

/// The version of the file format that belongs to the opset.
const IR_VERSION: i64 = 8;

/// The result of an operator, by name: one row per sample.
pub type Value = String;

#[derive(Default)]
pub struct Graph {
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    names: HashMap<(Vec<i64>, Vec<u8>), Value>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    /// The purpose of the nodes that follow.
    pub about: String,
}

/// An attribute's value.
pub enum Setting {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
}

impl Graph {
    pub fn input(&mut self, name: &str, width: usize, about: &str) -> Value {
        self.inputs.push(value_info(name, width, about));
        name.to_string()
    }

    /// Makes a value an output of the model, under a name.
    pub fn output(&mut self, name: &str, value: &Value, width: usize, about: &str) {
        self.outputs.push(value_info(name, width, about));
        self.nodes.push(Node {
            inputs: vec![value.clone()],
            outputs: vec![name.to_string()],
            operator: "Identity".to_string(),
            ..Node::default()
        });
    }

    pub fn apply(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.apply_with(operator, inputs, &[])
    }

    pub fn apply_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        settings: &[(&str, Setting)],
    ) -> Value {
        let name = format!("v{}", self.nodes.len());
        let attribute = |(name, setting): &(&str, Setting)| {
            let plain = Attribute { name: name.to_string(), ..Attribute::default() };
            match setting {
                Setting::Float(float) => {
                    Attribute { float: *float, kind: ATTRIBUTE_FLOAT, ..plain }
                }
                Setting::Int(int) => Attribute { int: *int, kind: ATTRIBUTE_INT, ..plain },
                Setting::Ints(ints) => {
                    Attribute { ints: ints.clone(), kind: ATTRIBUTE_INTS, ..plain }
                }
            }
        };
        self.nodes.push(Node {
            inputs: inputs.iter().map(|input| input.to_string()).collect(),
            outputs: vec![name.clone()],
            operator: operator.to_string(),
            attributes: settings.iter().map(attribute).collect(),
            doc_string: std::mem::take(&mut self.about),
        });
        name
    }

    /// Applies an operator to a value and a number on its right.
    pub fn with(&mut self, operator: &str, value: &Value, number: f32) -> Value {
        let number = self.scalar(number);
        self.apply(operator, &[value, &number])
    }

    pub fn scalar(&mut self, number: f32) -> Value {
        self.floats(&[], &[number])
    }

    /// One row of numbers, the same for every sample.
    pub fn numbers(&mut self, numbers: &[f32]) -> Value {
        self.floats(&[1, numbers.len() as i64], numbers)
    }

    pub fn floats(&mut self, dimensions: &[i64], numbers: &[f32]) -> Value {
        let raw = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(Tensor {
            dimensions: dimensions.to_vec(),
            kind: FLOAT,
            raw,
            ..Tensor::default()
        })
    }

    fn indexes(&mut self, numbers: impl Iterator<Item = i64>) -> Value {
        let raw: Vec<u8> = numbers.flat_map(i64::to_le_bytes).collect();
        let dimensions = vec![raw.len() as i64 / 8];
        self.constant(Tensor { dimensions, kind: INT64, raw, ..Tensor::default() })
    }

    /// Adds a constant, or reuses an equal one. The dimensions are part of the key, so indexes
    /// never equal floats of the same bytes.
    fn constant(&mut self, tensor: Tensor) -> Value {
        let key = (tensor.dimensions.clone(), tensor.raw.clone());
        let fresh = format!("c{}", self.constants.len());
        let name = self.names.entry(key).or_insert(fresh);
        if *name == format!("c{}", self.constants.len()) {
            self.constants.push(Tensor { name: name.clone(), ..tensor });
        }
        name.clone()
    }

    pub fn clip(&mut self, value: &Value, low: f32, high: f32) -> Value {
        let (low, high) = (self.scalar(low), self.scalar(high));
        self.apply("Clip", &[value, &low, &high])
    }

    pub fn within(&mut self, value: &Value, limit: f32) -> Value {
        self.clip(value, -limit, limit)
    }

    pub fn at_least_zero(&mut self, value: &Value) -> Value {
        self.clip(value, 0.0, LIMIT)
    }

    /// Some columns of a value.
    pub fn columns(&mut self, value: &Value, columns: impl Iterator<Item = u32>) -> Value {
        let columns = self.indexes(columns.map(i64::from));
        self.apply_with("Gather", &[value, &columns], &[("axis", Setting::Int(1))])
    }

    /// Joins values side by side.
    pub fn join(&mut self, values: &[&Value]) -> Value {
        match values {
            [value] => value.to_string(),
            _ => self.apply_with("Concat", values, &[("axis", Setting::Int(1))]),
        }
    }

    /// The sum of each row. Its axes are an input of the operator; for all other reductions they
    /// are an attribute before opset 18.
    pub fn row_sums(&mut self, value: &Value) -> Value {
        let axes = self.indexes([1].into_iter());
        self.apply("ReduceSum", &[value, &axes])
    }

    pub fn reduce(&mut self, operator: &str, value: &Value) -> Value {
        self.apply_with(operator, &[value], &[("axes", Setting::Ints(vec![1]))])
    }

    /// Each row sorted, the largest first.
    pub fn sorted(&mut self, value: &Value, width: usize) -> Value {
        let width = self.indexes([width as i64].into_iter());
        let sorted = self.apply("TopK", &[value, &width]);
        if let Some(node) = self.nodes.last_mut() {
            node.outputs.push(format!("{sorted}_order"));
        }
        sorted
    }

    pub fn step(&mut self, value: &Value) -> Value {
        let zero = self.scalar(0.0);
        let is_more = self.apply("Greater", &[value, &zero]);
        self.apply_with("Cast", &[&is_more], &[("to", Setting::Int(i64::from(FLOAT)))])
    }

    /// The bytes of a model.
    pub fn model(self, about: String, metadata: &[(&str, String)]) -> Vec<u8> {
        let entry =
            |(key, value): &(&str, String)| Entry { key: key.to_string(), value: value.clone() };
        let model = Model {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSet { version: OPSET }],
            producer_name: "cambrian".to_string(),
            producer_version: env!("CARGO_PKG_VERSION").to_string(),
            doc_string: about,
            graph: Some(GraphOf {
                nodes: self.nodes,
                name: "network".to_string(),
                initializers: self.constants,
                inputs: self.inputs,
                outputs: self.outputs,
            }),
            metadata: metadata.iter().map(entry).collect(),
        };
        model.encode_to_vec()
    }
}

fn value_info(name: &str, width: usize, about: &str) -> ValueInfo {
    let dimensions = [Size::Named("batch".to_string()), Size::Known(width as i64)];
    let dimensions = dimensions.map(|size| Dimension { size: Some(size) }).to_vec();
    let tensor = TensorType { element: FLOAT, shape: Some(Shape { dimensions }) };
    let kind = Some(Type { tensor: Some(tensor) });
    ValueInfo { name: name.to_string(), kind, doc_string: about.to_string() }
}
