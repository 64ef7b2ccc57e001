%% @private
%% Checks a map of options against a table: `#{Name => {Check, Expected}}' or, where it has a
%% default, `#{Name => {Check, Expected, Default}}'. An unknown option is refused, not ignored.
-module(cambrian_options).

-export([check/2, is_positive/1, is_count/1, is_timeout/1]).
-export_type([error/0, table/0]).

-type error() :: {unknown_option, term()} | {bad_option, {Name :: atom(), Value :: term(), Expected :: binary()}}.
-type table() :: #{atom() => {fun((term()) -> boolean()), binary()}
                           | {fun((term()) -> boolean()), binary(), Default :: term()}}.

%% @doc The options with the defaults filled in.
-spec check(map(), table()) -> {ok, map()} | {error, error()}.
check(Options, Table) when is_map(Options) ->
    Defaults = maps:from_list([{Name, Default} || {Name, {_, _, Default}} <- maps:to_list(Table)]),
    case lists:filtermap(fun({Name, Value}) -> fault(Name, Value, Table) end,
                         lists:sort(maps:to_list(Options))) of
        [] -> {ok, maps:merge(Defaults, Options)};
        [Fault | _] -> {error, Fault}
    end;
check(Options, _Table) ->
    {error, {bad_option, {options, Options, <<"a map">>}}}.

fault(Name, Value, Table) ->
    case Table of
        #{Name := Row} ->
            Check = element(1, Row),
            not Check(Value) andalso {true, {bad_option, {Name, Value, element(2, Row)}}};
        _ -> {true, {unknown_option, Name}}
    end.

is_positive(X) -> is_integer(X) andalso X > 0.
is_count(X) -> is_integer(X) andalso X >= 0.
is_timeout(X) -> X =:= infinity orelse is_count(X).
