use rustler::{Error, NifResult, Term};

rustler::atoms! {
    ok,
    dirty,
    error,
    undefined,
    // genotype
    inputs,
    outputs,
    nodes,
    hidden,
    connections,
    recurrent,
    // substrate
    joins,
    activation,
    output_activation,
    weight_range,
    threshold,
    leo,
    bias,
    initial_depth,
    max_depth,
    iterations,
    division_threshold,
    variance_threshold,
    band_threshold,
    dimensions,
    pairs,
    invalid_substrate,
    // network
    memory,
    wrong_size,
    out_of_range,
    // reasons
    not_applicable,
    incompatible,
    malformed,
    too_large,
    unsupported_version,
    not_canonical,
    unknown_activation,
    invalid_genotype,
    unknown_operator,
    unknown_task,
    unknown_parameter,
    invalid_parameter,
    bad_fitness,
    bad_signature,
    bad_compression,
    wrong_id,
    shape,
    known,
    not_better,
    not_finite,
    // population
    generation,
    evaluations,
    best,
    mean,
    species,
    mean_nodes,
    mean_connections,
    fitness,
    champion,
    seed,
    parameters,
    // task
    solved,
    facts,
    // jobs
    stopped,
    panicked,
    // envelope
    realm,
    task,
    genotype,
    parents,
    sequence,
    time,
    origin,
}

/// An atom's text.
pub fn text(atom: Term) -> NifResult<String> {
    atom.atom_to_string().map_err(|_| Error::BadArg)
}
