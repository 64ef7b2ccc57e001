%% @private
%% Tells of the champions that populations breed. Who remembers them stands above populations, and is named here when it
%% starts: populations do not know it.
-module(cambrian_births).

-export([listen/1, tell/2]).
-export_type([birth/0]).

-type birth() :: {cambrian_genotype:id(), Parents :: [cambrian_genotype:id()], [Operator :: atom()],
                  Generation :: non_neg_integer()}.

%% A genotype and its line of fitter parents, the youngest first.
-callback bred(Task :: atom() | binary(), [birth()]) -> ok.

%% @doc From now on this module is told of each birth.
-spec listen(module()) -> ok.
listen(Module) -> persistent_term:put(?MODULE, Module).

-spec tell(Task :: atom() | binary(), [birth()]) -> ok.
tell(Task, Line) ->
    Module = persistent_term:get(?MODULE),
    Module:bred(Task, Line).
