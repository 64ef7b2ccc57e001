//! Where behaviours lie in the box of an archive.

use super::components::Components;
use super::projection::project;
use std::borrow::Cow;
use std::sync::Arc;

/// What the dimensions of a box are.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Axes {
    /// Each is a number of behaviours.
    #[default]
    Own,
    /// Each is a projection of behaviours by random signs.
    Random,
    /// Each is a principal component.
    Principal(Arc<Components>),
}

impl Axes {
    /// Of a behaviour, in a box of so many dimensions.
    pub fn position<'a>(&self, behaviour: &'a [f64], dimensions: usize) -> Cow<'a, [f64]> {
        match self {
            Axes::Own => Cow::Borrowed(behaviour),
            Axes::Random => Cow::Owned(project(behaviour, dimensions)),
            Axes::Principal(components) => Cow::Owned(components.position(behaviour)),
        }
    }

    /// How many numbers behaviours have in a box of so many dimensions, if that is known.
    pub fn length(&self, dimensions: usize) -> Option<usize> {
        match self {
            Axes::Own => Some(dimensions),
            Axes::Random => None,
            Axes::Principal(components) => Some(components.length()),
        }
    }
}
