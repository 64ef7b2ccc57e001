%% @private
%% Checks the options of each kind of picture. A misspelt option is an error, because the picture
%% without it would look right.
-module(cambrian_picture_options).

-export([check/2, ensure/5, ensure_labels/5]).
-export_type([picture/0]).

-type picture() :: network | chart | heat | traffic | archive | front.

%% @doc Whether the options are right.
-spec check(picture(), term()) -> ok | {error, cambrian_options:error()}.
check(Picture, Options) ->
    case cambrian_options:check(Options, table(Picture), see(Picture)) of
        {ok, _} -> ok;
        Error -> Error
    end.

%% @doc Raises a `badarg' of a function if its last argument, the options, is wrong.
-spec ensure(module(), atom(), arity(), picture(), term()) -> ok.
ensure(Module, Function, Arity, Picture, Options) ->
    case check(Picture, Options) of
        ok -> ok;
        {error, Reason} ->
            Wrong = #{Arity => cambrian_error:format_error(Reason)},
            cambrian_badarg:raise(Module, Function, Arity, Wrong)
    end.

%% @doc Raises a `badarg' of a function if its options have more labels than there are things.
-spec ensure_labels(module(), atom(), arity(), map(), Count :: non_neg_integer()) -> ok.
ensure_labels(Module, Function, Arity, #{labels := Labels}, Count)
  when length(Labels) > Count ->
    Expected = iolist_to_binary(["a list of at most ", cambrian_text:counted(Count, "text")]),
    Wrong = #{Arity => cambrian_error:format_error({bad_option, {labels, Labels, Expected}})},
    cambrian_badarg:raise(Module, Function, Arity, Wrong);
ensure_labels(_Module, _Function, _Arity, _Options, _Count) -> ok.

table(network) -> (common())#{labels => {fun are_labels/1, <<"a map with inputs and outputs">>}};
table(heat) -> common();
table(archive) -> (common())#{labels => list()};
table(front) ->
    (common())#{labels => list(), count => {fun is_count/1, <<"an integer from 0">>},
                champion => {fun is_genotype/1, <<"a genotype, or its id">>}};
table(traffic) -> (common())#{height => pixels()};
table(chart) ->
    (common())#{height => pixels(), x_label => text(), y_label => text(), marks => list(),
                cover => list()}.

common() ->
    #{title => text(), width => pixels(),
      embed => {fun is_boolean/1, <<"a boolean">>}}.

list() -> {fun is_list/1, <<"a list">>}.

pixels() ->
    {fun(Pixels) -> cambrian_options:is_positive(Pixels) andalso Pixels =< 100_000 end,
     <<"an integer from 1 to 100000">>}.

text() -> {fun(X) -> is_binary(X) orelse is_list(X) orelse is_atom(X) end, <<"a text">>}.

is_count(Count) -> is_integer(Count) andalso Count >= 0.

is_genotype(<<_:256>>) -> true;
is_genotype(Genotype) -> cambrian_nif:kind_of(Genotype) =:= genotype.

are_labels(Labels) when is_map(Labels) -> maps:keys(Labels) -- [inputs, outputs] =:= [];
are_labels(_) -> false.

see(network) -> <<"type cambrian_svg:network_opts()">>;
see(chart) -> <<"type cambrian_chart:opts()">>;
see(heat) -> <<"type cambrian_heat:opts()">>;
see(traffic) -> <<"type cambrian_traffic:opts()">>;
see(archive) -> <<"type cambrian_archive:picture_options()">>;
see(front) -> <<"type cambrian_front:picture_options()">>.
