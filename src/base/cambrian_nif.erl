%% @private
%% Declares the functions that Rust implements, and contains no other code. The VM cannot replace a
%% loaded library, so this module should change only together with the library.
%%
%% Some functions come in pairs. The first answers `dirty' if the work is too long for a normal
%% scheduler. The caller then calls the function with `_dirty' in its name, which runs on a dirty
%% scheduler, or the one with `_job', which can be stopped: see `cambrian_job'.
%%
%% If the library does not load, the VM keeps running and every function raises `{nif_not_loaded,
%% Reason}', so that an engineer can still inspect a device in the field. If a library is loaded
%% already, this module cannot be loaded again: `code:load_file/1' returns `{error,
%% on_load_failure}', and the loaded library stays.
-module(cambrian_nif).

-on_load(load/0).
-export([loaded/0]).
-export([pool_start/1, job_stop/1]).
-export([data_dir_lock/1, data_dir_unlock/1, data_dir_unlock_all/0]).
-export([memory_limit/0, memory_set_limit/1]).
-export([governor_set_duty/1, governor_duty/0]).
-export([signal_forward_interrupt/1]).
-export([parameters_table/0]).
-export([genotype_new/4, genotype_new_dirty/4, genotype_operators/0, genotype_births/0,
         genotype_choices/0, genotype_mutate/3, genotype_mutate_dirty/3,
         genotype_apply/4, genotype_apply_dirty/4,
         genotype_crossover/4, genotype_crossover_dirty/4,
         genotype_distance/3, genotype_distance_dirty/3,
         genotype_resize/4, genotype_resize_dirty/4,
         genotype_id/1, genotype_id_dirty/1, genotype_info/1, genotype_info_dirty/1,
         genotype_cost/1, genotype_cost_dirty/1,
         genotype_genes/1, genotype_from_genes/4, genotype_encode/1, genotype_encode_dirty/1,
         genotype_decode/1, genotype_decode_dirty/1,
         genotype_to_json/2, genotype_to_json_dirty/2,
         genotype_from_json/1, genotype_from_json_dirty/1,
         genotype_from_neat_python/1, genotype_from_neat_python_dirty/1,
         genotype_diff/2, genotype_diff_dirty/2, genotype_patch/2, genotype_patch_dirty/2,
         genotype_to_c/3, genotype_to_c_dirty/3, genotype_to_rust/3, genotype_to_rust_dirty/3,
         genotype_to_onnx/2, genotype_to_onnx_dirty/2]).
-export([network_compile/1, network_compile_dirty/1, network_normalise/2,
         network_info/1,
         network_activate/2, network_activate_dirty/2, network_initial_state/1,
         network_step/3, network_step_dirty/3, network_reward/3, network_reward_dirty/3,
         network_activate_batch/2, network_activate_batch_job/3,
         network_activate_many/2, network_activate_many_dirty/2,
         network_step_many/3, network_step_many_dirty/3]).
-export([substrate_new/1, substrate_grid/1, substrate_info/1, substrate_shape/1,
         substrate_express/2, substrate_express_job/3]).
-export([task_names/0, task_new/2, task_info/1, task_warning/1, task_parameters/2, task_score/3,
         task_trial/3]).
-export([dataset_id/1, dataset_classes/1, dataset_order/3]).
-export([kind_of/1]).
-export([population_new/5, population_is_on/2, population_network/2, population_network_job/3,
         population_trial/4, population_examine/5, population_evaluate/5, population_next/2,
         population_inject/4, population_purge/3, population_sources/2, population_tuning/1,
         tuning_candidates/1, tuning_tell/2, tuning_settle/1, population_info/1,
         population_parameters/1, population_evaluated_champion/1, population_best/1,
         population_front/2,
         population_migrant/3, population_contender/1, population_lineage/2, population_stats/1,
         population_work/1, population_median_costs/1,
         population_encode/1, population_decode/1]).
-export([population_archive/2, population_lengths/1, population_behaviour_of/3]).
-export([archive_encode/1, archive_decode/1, archive_id/1, archive_merge/2,
         archive_info/2, archive_best/1, archive_at/2, archive_nearest/2, archive_sample/3,
         archive_elites/1, archive_some/2, archive_ids/1, archive_cell/2, archive_raster/2,
         archive_is_of_probes/2, archive_remeasured/2]).
-export([identity_public_key/1, identity_succession/3, identity_read_succession/1,
         identity_peek_succession/1, identity_grant/4, identity_cosign_grant/2,
         identity_read_grant/1, identity_peek_grant/1]).
-export([charter_seal/2, charter_cosign/2, charter_read/1, charter_peek/1]).
-export([envelope_seal/4, envelope_read/1, envelope_open/2, envelope_record/1,
         envelope_peek_record/1, envelope_read_record/1, envelope_unpacked_size/1]).

-define(STUB, erlang:nif_error({nif_not_loaded, reason()})).

load() ->
    Loaded = erlang:load_nif(filename:join([priv_dir(), "native", "cambrian_nif"]), 0),
    IsOtherLoaded = persistent_term:get(?MODULE, none) =:= ok andalso erlang:module_loaded(?MODULE),
    case Loaded =/= ok andalso IsOtherLoaded of
        true -> {error, {already_loaded, "a native library stays until the VM ends: restart it to "
                                         "load another"}};
        false -> persistent_term:put(?MODULE, Loaded)
    end.

priv_dir() ->
    case code:priv_dir(cambrian) of
        {error, bad_name} -> filename:join([filename:dirname(code:which(?MODULE)), "..", "priv"]);
        Dir -> Dir
    end.

%% @doc Whether the library is loaded, or why not.
-spec loaded() -> ok | {error, {atom(), string()}}.
loaded() -> persistent_term:get(?MODULE).

reason() ->
    {error, Reason} = loaded(),
    Reason.

pool_start(_Threads) -> ?STUB.
job_stop(_Job) -> ?STUB.

data_dir_lock(_Path) -> ?STUB.
data_dir_unlock(_Path) -> ?STUB.
data_dir_unlock_all() -> ?STUB.

memory_limit() -> ?STUB.
memory_set_limit(_Bytes) -> ?STUB.

governor_set_duty(_Duty) -> ?STUB.
governor_duty() -> ?STUB.

signal_forward_interrupt(_Forward) -> ?STUB.

parameters_table() -> ?STUB.

genotype_new(_Inputs, _Outputs, _Parameters, _Seed) -> ?STUB.
genotype_new_dirty(_Inputs, _Outputs, _Parameters, _Seed) -> ?STUB.
genotype_operators() -> ?STUB.
genotype_births() -> ?STUB.
genotype_choices() -> ?STUB.
genotype_mutate(_Genotype, _Parameters, _Seed) -> ?STUB.
genotype_mutate_dirty(_Genotype, _Parameters, _Seed) -> ?STUB.
genotype_apply(_Genotype, _Operator, _Parameters, _Seed) -> ?STUB.
genotype_apply_dirty(_Genotype, _Operator, _Parameters, _Seed) -> ?STUB.
genotype_crossover(_Fitter, _Other, _Parameters, _Seed) -> ?STUB.
genotype_crossover_dirty(_Fitter, _Other, _Parameters, _Seed) -> ?STUB.
genotype_resize(_Genotype, _Inputs, _Outputs, _Parameters) -> ?STUB.
genotype_resize_dirty(_Genotype, _Inputs, _Outputs, _Parameters) -> ?STUB.
genotype_distance(_A, _B, _Parameters) -> ?STUB.
genotype_distance_dirty(_A, _B, _Parameters) -> ?STUB.
genotype_id(_Genotype) -> ?STUB.
genotype_id_dirty(_Genotype) -> ?STUB.
genotype_info(_Genotype) -> ?STUB.
genotype_info_dirty(_Genotype) -> ?STUB.
genotype_cost(_Genotype) -> ?STUB.
genotype_cost_dirty(_Genotype) -> ?STUB.
genotype_genes(_Genotype) -> ?STUB.
genotype_from_genes(_Inputs, _Outputs, _Nodes, _Connections) -> ?STUB.
genotype_encode(_Genotype) -> ?STUB.
genotype_encode_dirty(_Genotype) -> ?STUB.
genotype_decode(_Bytes) -> ?STUB.
genotype_decode_dirty(_Bytes) -> ?STUB.
genotype_to_json(_Genotype, _Normalisation) -> ?STUB.
genotype_to_json_dirty(_Genotype, _Normalisation) -> ?STUB.
genotype_from_json(_Bytes) -> ?STUB.
genotype_from_json_dirty(_Bytes) -> ?STUB.
genotype_from_neat_python(_Bytes) -> ?STUB.
genotype_from_neat_python_dirty(_Bytes) -> ?STUB.
genotype_diff(_Base, _Target) -> ?STUB.
genotype_diff_dirty(_Base, _Target) -> ?STUB.
genotype_patch(_Base, _Bytes) -> ?STUB.
genotype_patch_dirty(_Base, _Bytes) -> ?STUB.
genotype_to_c(_Genotype, _Normalisation, _Prefix) -> ?STUB.
genotype_to_c_dirty(_Genotype, _Normalisation, _Prefix) -> ?STUB.
genotype_to_rust(_Genotype, _Normalisation, _Prefix) -> ?STUB.
genotype_to_rust_dirty(_Genotype, _Normalisation, _Prefix) -> ?STUB.
genotype_to_onnx(_Genotype, _Normalisation) -> ?STUB.
genotype_to_onnx_dirty(_Genotype, _Normalisation) -> ?STUB.

network_compile(_Genotype) -> ?STUB.
network_compile_dirty(_Genotype) -> ?STUB.
network_normalise(_Network, _Normalisation) -> ?STUB.
network_info(_Network) -> ?STUB.
network_activate(_Network, _Inputs) -> ?STUB.
network_activate_dirty(_Network, _Inputs) -> ?STUB.
network_initial_state(_Network) -> ?STUB.
network_step(_Network, _State, _Inputs) -> ?STUB.
network_step_dirty(_Network, _State, _Inputs) -> ?STUB.
network_reward(_Network, _State, _Reward) -> ?STUB.
network_reward_dirty(_Network, _State, _Reward) -> ?STUB.
network_activate_batch(_Network, _Batch) -> ?STUB.
network_activate_batch_job(_Tag, _Network, _Batch) -> ?STUB.
network_activate_many(_Networks, _Inputs) -> ?STUB.
network_activate_many_dirty(_Networks, _Inputs) -> ?STUB.
network_step_many(_Networks, _States, _Inputs) -> ?STUB.
network_step_many_dirty(_Networks, _States, _Inputs) -> ?STUB.

substrate_new(_Options) -> ?STUB.
substrate_grid(_Sizes) -> ?STUB.
substrate_info(_Substrate) -> ?STUB.
substrate_shape(_Substrate) -> ?STUB.
substrate_express(_Substrate, _Cppn) -> ?STUB.
substrate_express_job(_Tag, _Substrate, _Cppn) -> ?STUB.

task_names() -> ?STUB.
task_new(_Name, _Settings) -> ?STUB.
task_info(_Task) -> ?STUB.
task_warning(_Task) -> ?STUB.
task_parameters(_Task, _Changes) -> ?STUB.
task_score(_Tag, _Task, _Network) -> ?STUB.
task_trial(_Tag, _Task, _Network) -> ?STUB.

dataset_id(_Settings) -> ?STUB.
dataset_classes(_Settings) -> ?STUB.
dataset_order(_Count, _Seed, _Group) -> ?STUB.

kind_of(_Term) -> ?STUB.

population_new(_Encoding, _Task, _Parameters, _Seed, _Founders) -> ?STUB.
population_is_on(_Population, _Substrate) -> ?STUB.
population_network(_Population, _Genotype) -> ?STUB.
population_network_job(_Tag, _Population, _Genotype) -> ?STUB.
population_trial(_Tag, _Population, _Task, _Genotype) -> ?STUB.
population_examine(_Tag, _Population, _Task, _Genotypes, _Ms) -> ?STUB.
population_evaluate(_Tag, _Population, _Task, _Evaluations, _Ms) -> ?STUB.
population_tuning(_Population) -> ?STUB.
tuning_candidates(_Tuning) -> ?STUB.
tuning_tell(_Tuning, _Outcomes) -> ?STUB.
tuning_settle(_Tuning) -> ?STUB.
population_next(_Tag, _Evaluated) -> ?STUB.
population_inject(_Evaluated, _Genotype, _Score, _Keys) -> ?STUB.
population_purge(_Generation, _Keys, _Genotypes) -> ?STUB.
population_sources(_Evaluated, _Genotype) -> ?STUB.
population_info(_Population) -> ?STUB.
population_parameters(_Population) -> ?STUB.
population_evaluated_champion(_Evaluated) -> ?STUB.
population_best(_Evaluated) -> ?STUB.
population_front(_Evaluated, _Most) -> ?STUB.
population_migrant(_Evaluated, _Policy, _Draw) -> ?STUB.
population_contender(_Evaluated) -> ?STUB.
population_lineage(_Evaluated, _Genotype) -> ?STUB.
population_stats(_Evaluated) -> ?STUB.
population_work(_Evaluated) -> ?STUB.
population_median_costs(_Population) -> ?STUB.
population_encode(_Population) -> ?STUB.
population_decode(_Bytes) -> ?STUB.

population_lengths(_Population) -> ?STUB.
population_archive(_Generation, _Task) -> ?STUB.
population_behaviour_of(_Evaluated, _Genotype, _Score) -> ?STUB.
archive_encode(_Archive) -> ?STUB.
archive_decode(_Bytes) -> ?STUB.
archive_id(_Archive) -> ?STUB.
archive_merge(_A, _B) -> ?STUB.
archive_info(_Archive, _Offset) -> ?STUB.
archive_best(_Archive) -> ?STUB.
archive_at(_Archive, _Behaviour) -> ?STUB.
archive_nearest(_Archive, _Behaviour) -> ?STUB.
archive_sample(_Archive, _Count, _Seed) -> ?STUB.
archive_elites(_Archive) -> ?STUB.
archive_some(_Archive, _Most) -> ?STUB.
archive_is_of_probes(_Archive, _Outputs) -> ?STUB.
archive_remeasured(_Archive, _Measured) -> ?STUB.
archive_ids(_Archive) -> ?STUB.
archive_cell(_Archive, _Behaviour) -> ?STUB.
archive_raster(_Archive, _Most) -> ?STUB.

identity_public_key(_Secret) -> ?STUB.
identity_succession(_OldSecret, _NewSecret, _Time) -> ?STUB.
identity_read_succession(_Bytes) -> ?STUB.
identity_peek_succession(_Bytes) -> ?STUB.
identity_grant(_Secret, _Realm, _Key, _IssuedUntil) -> ?STUB.
identity_cosign_grant(_Secret, _Bytes) -> ?STUB.
identity_read_grant(_Bytes) -> ?STUB.
identity_peek_grant(_Bytes) -> ?STUB.
charter_seal(_Charter, _Secret) -> ?STUB.
charter_cosign(_Bytes, _Secret) -> ?STUB.
charter_read(_Bytes) -> ?STUB.
charter_peek(_Bytes) -> ?STUB.

envelope_seal(_Claims, _Genotype, _Base, _Secret) -> ?STUB.
envelope_read(_Bytes) -> ?STUB.
envelope_open(_Envelope, _Base) -> ?STUB.
envelope_record(_Envelope) -> ?STUB.
envelope_unpacked_size(_Envelope) -> ?STUB.
envelope_peek_record(_Bytes) -> ?STUB.
envelope_read_record(_Bytes) -> ?STUB.
