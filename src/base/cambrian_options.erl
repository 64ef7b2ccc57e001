%% @private
%% Checks a map of options against a table: `#{Name => {Check, Expected}}', or `#{Name => {Check,
%% Expected, Default}}' if the option has a default. `Expected' may be a function of the wrong
%% value. An unknown option is an error that names the most similar known option. If an option is
%% marked as a secret, its error shows only the kind and the size of the value.
-module(cambrian_options).

-export([check/3, table/1, kind/1, unknown/4, nearest/2, parameters/1, parameters/2,
         is_positive/1, is_count/1, is_timeout/1, is_id/1]).
-export_type([error/0, table/0, row/0]).

-type error() :: {unknown_option, Name :: term(), cambrian_error:hint()}
               | {bad_option, {Name :: atom(), Got :: term(), Expected :: binary()}}.
-type table() :: #{atom() => {fun((term()) -> boolean()), expected()}
                           | {fun((term()) -> boolean()), expected(), Default :: term()}}.
-type expected() :: binary() | fun((Wrong :: term()) -> binary()) | {secret, binary()}.

-type row() :: #{name := atom(), check := fun((term()) -> boolean()), expected := binary(),
                 text := binary(), required => true, for => population | evolve,
                 default => {value, term()} | {drawn, fun(() -> term()), Words :: binary()}
                          | {words, binary()},
                 flag => {Flag :: atom(), Type :: atom(), Shown :: string()},
                 more => binary(), see => {Title :: string(), Page :: string()}}.
%% An option with its documentation. `text' is a phrase without a full stop, and `more' are further
%% sentences; names in them stand between backquotes. A default in `words' is only described: the
%% code that uses the option fills it in. `flag' is the name on the command line, `see' a section of
%% the guides. An option without `for' belongs to both.

%% A longer name is not compared: it is no typing error.
-define(MAX_NAME, 64).

%% @doc Checks options and adds the defaults. `See' is the page that lists the options.
-spec check(map(), table(), See :: binary()) -> {ok, map()} | {error, error()}.
check(Options, Table, See) when is_map(Options) ->
    Defaults = maps:from_list([{Name, Default} || {Name, {_, _, Default}} <- maps:to_list(Table)]),
    case lists:filtermap(fun({Name, Value}) -> fault(Name, Value, Table, See) end,
                         lists:sort(maps:to_list(Options))) of
        [] -> {ok, maps:merge(Defaults, Options)};
        [Fault | _] -> {error, Fault}
    end;
check(Options, Table, _See) ->
    HasSecrets = lists:any(fun is_secret/1, maps:values(Table)),
    Got = case HasSecrets of true -> kind(Options); false -> Options end,
    {error, {bad_option, {options, Got, <<"a map">>}}}.

fault(Name, Value, Table, See) ->
    case Table of
        #{Name := Row} ->
            Check = element(1, Row),
            not Check(Value)
                andalso {true, bad_option(Name, Value, Row)};
        _ -> {true, unknown(unknown_option, Name, maps:keys(Table), See)}
    end.

bad_option(Name, Value, Row) ->
    Got = case is_secret(Row) of true -> kind(Value); false -> Value end,
    {bad_option, {Name, Got, expected(element(2, Row), Value)}}.

is_secret(Row) -> is_tuple(element(2, Row)).

expected({secret, Expected}, _Value) -> Expected;
expected(Expected, Value) when is_function(Expected, 1) -> Expected(Value);
expected(Expected, _Value) -> Expected.

%% @doc The checks and the defaults of described options.
-spec table([row()]) -> table().
table(Rows) -> maps:from_list([{Name, checked(Row)} || #{name := Name} = Row <- Rows]).

checked(#{check := Check, expected := Expected} = Row) ->
    case Row of
        #{default := {value, Value}} -> {Check, Expected, Value};
        #{default := {drawn, Draw, _}} -> {Check, Expected, Draw()};
        _ -> {Check, Expected}
    end.

%% @doc Describes a term without showing it.
-spec kind(term()) -> binary().
kind(Term) when is_binary(Term) -> sized("a binary of ", byte_size(Term), " bytes");
kind(Term) when is_bitstring(Term) -> sized("a bitstring of ", bit_size(Term), " bits");
kind([_ | _] = Term) ->
    try sized("a list of ", length(Term), " elements")
    catch error:badarg -> <<"an improper list">>
    end;
kind([]) -> <<"an empty list">>;
kind(Term) when is_tuple(Term) -> sized("a tuple of ", tuple_size(Term), " elements");
kind(Term) when is_map(Term) -> sized("a map of ", map_size(Term), " keys");
kind(Term) when is_function(Term) ->
    {arity, Arity} = erlang:fun_info(Term, arity),
    sized("a fun of arity ", Arity, "");
kind(Term) when is_atom(Term) -> <<"an atom">>;
kind(Term) when is_integer(Term) -> <<"an integer">>;
kind(_) -> <<"another term">>.

sized(Kind, Size, Unit) -> iolist_to_binary([Kind, integer_to_list(Size), Unit]).

is_positive(X) -> is_integer(X) andalso X > 0.
is_count(X) -> is_integer(X) andalso X >= 0.
is_timeout(X) -> X =:= infinity orelse is_count(X).

%% @doc Whether a term can be a key, or the id of a genotype, a grant or a charter.
-spec is_id(term()) -> boolean().
is_id(X) -> is_binary(X) andalso byte_size(X) =:= 32.

%%% ---- unknown names ----------------------------------------------------------------------

%% @doc The reason for an unknown name, with its hint.
-spec unknown(Kind, Name :: term(), Known :: [atom()], See :: binary()) ->
          {Kind, Name :: term(), cambrian_error:hint()}
              when Kind :: unknown_option | unknown_parameter | unknown_operator | unknown_task.
unknown(Kind, Name, Known, See) ->
    Near = maps:from_list([{did_you_mean, Near} || Near <- nearest(Name, Known)]),
    {Kind, Name, Near#{see => See}}.

%% @doc Adds the hint to the library's error about an unknown parameter.
-spec parameters(Answer) -> Answer.
parameters(Answer) -> parameters(Answer, []).

%% @doc Does the same for a map that may have other names beside the parameters.
-spec parameters(Answer, Others :: [atom()]) -> Answer.
parameters({error, {unknown_parameter, Name}}, Others) ->
    Known = Others ++ [Parameter || {Parameter, _, _, _} <- cambrian_nif:parameters_table()],
    {error, unknown(unknown_parameter, Name, Known, <<"cambrian:parameters/0">>)};
parameters(Answer, _Others) -> Answer.

%% @doc The known name that is most similar to a name, in a list. The list is empty if every known
%% name differs in more than a third of the letters.
-spec nearest(Name :: term(), Known :: [atom() | string()]) -> [atom() | string()].
nearest(Name, Known) ->
    case spelled(Name) of
        Text when Text =/= "", length(Text) =< ?MAX_NAME ->
            Near = [{Distance, Other} || Other <- Known,
                                         Distance <- [distance(Text, spelled(Other))],
                                         Distance =< max(1, length(Text) div 3)],
            [Other || {_, Other} <- lists:sublist(lists:sort(Near), 1)];
        _ -> []
    end.

%% The letters of a name: an atom, or a text.
spelled(Name) ->
    try unicode:characters_to_list(if is_atom(Name) -> atom_to_binary(Name); true -> Name end) of
        Text when is_list(Text) -> [case C of $- -> $_; _ -> C end || C <- string:lowercase(Text)];
        _ -> ""
    catch error:_ -> ""
    end.

%% The optimal string alignment distance: how many letters must be inserted, deleted or replaced,
%% or neighbours swapped, to turn a word into another. Each row of the table follows from the two
%% above.
distance(From, To) ->
    First = lists:seq(0, length(To)),
    {Row, _, _} = lists:foldl(fun(Letter, {Above, Higher, Previous}) ->
                                      {row(Letter, Previous, To, Above, Higher), Above, Letter}
                              end, {First, First, none}, From),
    lists:last(Row).

row(Letter, Previous, To, [Corner | _] = Above, Higher) ->
    row(Letter, Previous, none, To, Above, [none | Higher], Corner + 1).

row(_, _, _, [], _, _, Left) -> [Left];
row(Letter, Previous, Before, [Wanted | To], [Corner, Up | Above], [Far | Higher], Left) ->
    Replaced = Corner + case Letter of Wanted -> 0; _ -> 1 end,
    Swapped = case {Letter, Wanted} of {Before, Previous} -> [Far + 1]; _ -> [] end,
    Least = lists:min([Replaced, Up + 1, Left + 1 | Swapped]),
    [Left | row(Letter, Previous, Wanted, To, [Up | Above], Higher, Least)].
