//! What luminal passes between our nodes: numbers in f64 with their shape.
//!
//! A type of ours, so that luminal's own compilers and operators, which expect `Vec<f32>`, never take it for theirs.

use std::any::Any;

use luminal::tensor::{Data, Tensor};

use super::op::Type;
use crate::num::Precision;

/// A row-major array; images are its outermost dimension where there is a batch.
#[derive(Clone, Debug)]
pub(super) struct Array {
    /// N, where the batch is a dimension.
    pub images: Option<usize>,
    /// The other dimensions.
    pub dims: Vec<usize>,
    /// The numbers.
    pub values: Vec<f64>,
}

impl Array {
    /// `values` as an array of type `ty`; of `images` images, where it has a batch.
    ///
    /// # Panics
    /// Where their number is another one.
    pub fn new(ty: &Type, images: usize, values: Vec<f64>) -> Self {
        let images = ty.batch.then_some(images);
        let wanted = images.unwrap_or(1) * ty.elements();
        assert_eq!(values.len(), wanted, "{ty:?} of {images:?} images takes another number of values");
        Array { images, dims: ty.dims.clone(), values }
    }

    /// The array in a tensor of luminal's.
    pub fn of(tensor: &Tensor) -> &Array {
        tensor.data.as_any().downcast_ref().expect("our nodes make arrays alone")
    }

    /// Each number's nearest in a precision.
    pub fn rounded(&self, precision: Precision) -> Array {
        let values = self.values.iter().map(|x| f64::from(precision.round(*x as f32))).collect();
        Array { values, ..self.clone() }
    }

    /// N, C, H, W; missing dimensions are 1.
    pub fn nchw(&self) -> [usize; 4] {
        let dim = |i: usize| self.dims.get(i).copied().unwrap_or(1);
        [self.images.unwrap_or(1), dim(0), dim(1), dim(2)]
    }
}

impl Data for Array {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
