%% @private
%% Announces the births of champions. The module that remembers births is in a folder above this
%% one, so it registers itself here when it starts. Populations do not know its name.
-module(cambrian_births).

-export([listen/1, notify/2]).
-export_type([birth/0]).

-type birth() :: {cambrian_genotype:id(), Parents :: [cambrian_genotype:id()], [Operator :: atom()],
                  Generation :: non_neg_integer()}.

%% A genotype and its line of fitter parents, the youngest first.
-callback bred(Task :: atom() | binary(), [birth()]) -> ok.

%% @doc Registers the module. From now on its `bred/2' is called for each line of births.
-spec listen(module()) -> ok.
listen(Module) -> persistent_term:put(?MODULE, Module).

-spec notify(Task :: atom() | binary(), [birth()]) -> ok.
notify(Task, Line) ->
    Module = persistent_term:get(?MODULE),
    Module:bred(Task, Line).
