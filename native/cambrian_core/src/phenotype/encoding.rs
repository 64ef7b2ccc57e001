//! How a genotype becomes the network that is evaluated.

use crate::base::cancel::CancelToken;
use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Network;
use crate::phenotype::substrate::{self, Substrate, SubstrateError};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub enum Encoding {
    /// The genotype is the network, of this shape.
    Direct(Shape),
    /// The genotype is a CPPN that describes the network.
    Substrate(Arc<Substrate>),
}

impl From<Shape> for Encoding {
    fn from(shape: Shape) -> Encoding {
        Encoding::Direct(shape)
    }
}

impl From<Arc<Substrate>> for Encoding {
    fn from(substrate: Arc<Substrate>) -> Encoding {
        Encoding::Substrate(substrate)
    }
}

impl Encoding {
    /// The shape of the genotypes. In the direct encoding it is also the shape of their networks.
    pub fn shape(&self) -> Shape {
        match self {
            Encoding::Direct(shape) => *shape,
            Encoding::Substrate(substrate) => substrate.cppn_shape(),
        }
    }

    /// The shape of the networks, which the task requires.
    pub fn network_shape(&self) -> Shape {
        match self {
            Encoding::Direct(shape) => *shape,
            Encoding::Substrate(substrate) => substrate.shape(),
        }
    }

    /// A task's parameters, adapted to the genotypes of this encoding.
    pub fn parameters(&self, task: Parameters) -> Parameters {
        match self {
            Encoding::Direct(_) => task,
            Encoding::Substrate(_) => substrate::cppn_parameters(task),
        }
    }

    /// How many evaluations are worth another thread, from the number for the task alone:
    /// expressing a network takes some 100 ns per pair.
    pub fn grain(&self, task: usize) -> usize {
        match self {
            Encoding::Direct(_) => task,
            Encoding::Substrate(substrate) => task.min(1 + 1000 / substrate.pairs().max(1)),
        }
    }

    /// The network of a genotype.
    ///
    /// # Errors
    /// A genotype of another shape than the CPPNs of the substrate, and
    /// [`SubstrateError::Cancelled`].
    pub fn network(
        &self,
        genotype: &Genotype,
        token: &dyn CancelToken,
    ) -> Result<Network, SubstrateError> {
        match self {
            Encoding::Direct(_) => Ok(Network::new(genotype)),
            Encoding::Substrate(substrate) => {
                Ok(Network::new(&substrate.express_until_cancelled(genotype, token)?))
            }
        }
    }
}
