%% @private
%% What the holder of a {@link cambrian_evolution} tells it, and what the evolution answers: the
%% events and the effects.
-module(cambrian_effect).

%% Event                            What happened
%% {call, Caller, Request}          a call: {run, Goal}, {step, Count}, pause, await,
%%                                  {inject, Shape, Newcomer}, {purge, Banned}, draw, or a question
%%                                  that cambrian_standing answers
%% {evaluated, Answer}              `evaluate' is done: the evaluated generation, {cut, Generation}
%%                                  if a limit left genotypes out, or {no_fitness, Failures, IsCut}
%% {scored, Outcomes, Faults}       `score' is done; perhaps with the statistics of observations
%% {examined, Found, Faults}        `examine' is done
%% {tried, Trial}                   `try' is done
%% {bred, Answer}                   `breed' is done: the next generation, or
%%                                  {not_enough_memory, Wanted, Allowed}
%% timeout                          the time of the job was up, and the job was dropped
%% {measured, Found, Faults}        `measure' is done; also {measured, panicked}
%% {not_saved, Reason}              the checkpoint of a `save' or an `amend' could not be written
%%
%% Effect                           What the holder does
%% {evaluate, Population, Most, Ms} the job: evaluate a generation in Rust, within these limits
%% {score, Population, Gs, Limit}   the job: evaluators score genotypes, see cambrian_evaluator
%% {examine, Population, Gs, Ms}    the job: measure injected newcomers
%% {try, Population, G, Ms}         the job: run the task's own trial, or held-out episodes
%% {conditions, Conditions}         what evaluations depend on, until the next of these
%% {breed, Evaluated, Ms}           the job: make the next generation
%% {measure, Population, Gs, Ms}    beside the job: measure newcomers from the mesh, each within Ms
%% {drop, job | measurement}        end the job, or `measure'; its answer is ignored
%% {reply, Caller, Answer}          answer a call
%% postpone                         bring the event again when the phase has changed
%% {notify, Event}                  tell subscribers, see cambrian_population:event()
%% {account, Worked}                tell the subscribers that account for the work
%% {save, Where, Checkpoint}        store a checkpoint: in `memory'; also in a `file'; or in a file
%%                                  only when one is `due'
%% {amend, Where, Changes}          change the checkpoint in memory, and write it to a `file'
%% {remember, Lineage}              store a line of descent
%% {count, Evaluations}             report evaluations to the governor

-export_type([event/0, effect/0]).

-type event() :: {call, cambrian_run:caller(), Request :: term()}
               | {evaluated, reference() | {cut, reference()}
                           | {no_fitness, non_neg_integer(), IsCut :: boolean()}}
               | {scored, [cambrian_evaluator:outcome()], faults()}
               | {scored, [cambrian_evaluator:outcome()], faults(),
                  cambrian_statistics:statistics()}
               | {examined | measured, [cambrian_mesh_newcomers:measure()], faults()}
               | {measured, panicked} | {tried, #{solved := boolean(), atom() => term()}}
               | {bred, reference() | {not_enough_memory, pos_integer(), pos_integer()}}
               | timeout | {not_saved, Reason :: term()}.
-type effect() :: {evaluate, reference(), Evaluations :: pos_integer() | infinity, timeout()}
                | {score, reference(), [cambrian_genotype:genotype()],
                   infinity | {Ms :: non_neg_integer(), nothing | fitness}}
                | {examine | measure, reference(), [cambrian_genotype:genotype()], timeout()}
                | {'try', reference(), cambrian_genotype:genotype(), timeout()} | postpone
                | {breed, reference(), timeout()} | {drop, job | measurement}
                | {reply, cambrian_run:caller(), Answer :: term()}
                | {notify, cambrian_population:event()}
                | {account, cambrian_standing:worked()}
                | {save, memory | due | file, cambrian_store:checkpoint()}
                | {amend, memory | file, Changes :: #{atom() => term()}}
                | {remember, Lineage :: term()} | {count, non_neg_integer()}
                | {conditions, cambrian_conditions:of_jobs()}.
-type faults() :: [{pos_integer(), cambrian_fault:fault()}].
