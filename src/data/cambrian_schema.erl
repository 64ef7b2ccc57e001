%% @doc The schema of a table: how a row becomes the inputs of a network, and its outputs an answer.
%%
%% {@link cambrian_data:prepare/2} makes a schema with a task. Keep it beside the champion, which
%% sees only scaled numbers: {@link predict/3} then answers for other tables with the same columns.
%%
%% A column of numbers is one input, `(x - offset) * factor' in 32-bit floats, cut off at 10 and
%% -10: the offset is the mean of the training rows, and the factor one over their standard
%% deviation. A column of words is an input for each word, which is 1 for that word and 0 for the
%% others. A missing field is 0 there, and the mean in a column of numbers, if the schema allows
%% missing fields. A regression has one output, from which the answer is `(y - offset) * factor' of
%% `output'. A classification has an output for each class, and the highest is the answer.
-module(cambrian_schema).

-export([predict/3, normalisation/1, to_json/1, from_json/1]).
-export([inputs/1, unused/2, new/4, encode/3, answers/2, label_scale/3, scaled/2]).
-export_type([schema/0, input/0, scale/0, prediction/0]).

-type scale() :: #{offset := float(), factor := float()}.
-type input() :: #{name := binary(), numbers := scale()} | #{name := binary(), words := [binary()]}.
-type class() :: integer() | binary().
-type schema() :: #{label := binary(), columns := [input()], missing := boolean(),
                    answer := {classes, [class()]} | {number, scale()}}.
%% `missing' says whether a field may be missing.

-type prediction() :: #{answer := class() | float(), scores := [float()]}.
%% `scores' are the outputs of the network, for a classification in the order of the classes.

-define(VERSION, 1).
%% The most inputs of a network.
-define(MOST_INPUTS, 10_000).
-define(LIMIT, 1.0e12).
%% Scaled inputs go no further, so that an outlier does not drown the others.
-define(FURTHEST, 10.0).
-define(SHOWN, 40).

%% @doc Answers for each row of a table. The table needs the columns of the schema, in any order; it
%% may lack the label, and have others.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_columns([{size, [1, 2, 3, 4]},
%%                                                {kind, [small, small, big, big]}]).
%% 2> {ok, #{task := Task, schema := Schema}} =
%%        cambrian_data:prepare(Table, #{label => <<"kind">>, validation => 0, test => 0}).
%% 3> {ok, #{champion := Champion}} = cambrian:evolve(Task, #{seed => 1, generations => 20}).
%% 4> {ok, New} = cambrian_table:from_columns([{size, [1.5, 10]}]).
%% 5> {ok, Predictions} = cambrian_schema:predict(Schema, cambrian_network:compile(Champion), New).
%% 6> [Answer || #{answer := Answer} <- Predictions].
%% [<<"small">>,<<"big">>]
%% 7> {ok, Other} = cambrian_table:from_columns([{length, [1.5]}]).
%% 8> cambrian_schema:predict(Schema, cambrian_network:compile(Champion), Other).
%% {error,{missing_columns,[<<"size">>],[<<"length">>]}}
%% '''
-spec predict(schema(), cambrian_network:network(), cambrian_table:table()) ->
          {ok, [prediction()]} | {error, term()}.
predict(#{columns := Columns} = Schema, Network, Table) ->
    case encode(Schema, Table, lists:seq(1, cambrian_table:size(Table))) of
        {ok, Inputs} ->
            Width = width(Columns),
            case cambrian_network:info(Network) of
                #{inputs := Width} -> answered(cambrian_network:activate_batch(Network, Inputs),
                                               Schema);
                #{inputs := Other} -> {error, {wrong_size, inputs, Width, Other}}
            end;
        Error -> Error
    end.

answered(Outputs, Schema) when is_binary(Outputs) -> answers(Outputs, Schema);
answered(Error, _Schema) -> Error.

%% @private Counts the inputs of a network for this schema.
-spec inputs(schema()) -> pos_integer().
inputs(#{columns := Columns}) -> width(Columns).

width(Columns) -> lists:sum([width_of(Column) || Column <- Columns]).

width_of(#{numbers := _}) -> 1;
width_of(#{words := Words}) -> length(Words).

%% @doc The scales of all inputs of a network, in their order, for programs that have the exported
%% network alone. The inputs of a column of words have the mean 0 and the factor 1.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_columns([{size, [1, 3, 2, 2]}, {sort, [a, b, c, a]},
%%                                                {kind, [x, x, y, y]}]).
%% 2> {ok, #{schema := Schema}} =
%%        cambrian_data:prepare(Table, #{label => <<"kind">>, validation => 0, test => 0}).
%% 3> cambrian_schema:normalisation(Schema).
%% #{factors => [1.4142135381698608,1.0,1.0,1.0],means => [2.0,0.0,0.0,0.0]}
%% '''
-spec normalisation(schema()) -> #{means := [float()], factors := [float()]}.
normalisation(#{columns := Columns}) ->
    {Means, Factors} = lists:unzip(lists:append(lists:map(fun scales/1, Columns))),
    #{means => Means, factors => Factors}.

scales(#{numbers := #{offset := Offset, factor := Factor}}) -> [{Offset, Factor}];
scales(#{words := Words}) -> [{0.0, 1.0} || _ <- Words].

%% @private The columns of a table that the schema uses neither as input nor as label.
-spec unused(schema(), cambrian_table:table()) -> [binary()].
unused(#{label := Label, columns := Columns}, Table) ->
    cambrian_table:names(Table) -- [Label | [Name || #{name := Name} <- Columns]].

%%% ---- new --------------------------------------------------------------------------------

%% @private Makes the schema of a table: scales are those of the rows in the list. `Most' bounds the
%% words of a column.
-spec new(cambrian_table:table(), [binary()], Training :: [pos_integer()],
          #{label := binary(), words := [binary()], missing := boolean(), most := pos_integer(),
            answer := {classes, [class()]} | {number, scale()}}) ->
          {ok, schema()} | {error, cambrian_error:table()}.
new(Table, Names, Training, #{label := Label, words := Words, missing := Missing, most := Most,
                              answer := Answer}) ->
    guarded(fun() ->
        Columns = [input(Name, Table, lists:member(Name, Words), Most, Training) || Name <- Names],
        case width(Columns) of
            Width when Width > ?MOST_INPUTS; Width =:= 0 ->
                bad(columns, Width, <<"from 1 to 10000 inputs in all">>);
            _ -> #{label => Label, columns => Columns, missing => Missing, answer => Answer}
        end
    end).

input(Name, Table, IsWords, Most, Training) ->
    {ok, Column} = cambrian_table:column(Name, Table),
    case Column of
        #{number := none, word := none} -> bad(Name, missing, <<"one value or more">>);
        #{number := Number, word := {Row, Word}} when Number =/= none, not IsWords ->
            bad({Row, Name}, Word, <<"a number within plus and minus 1.0e12 as in other rows "
                                     "(or name the column in words)">>);
        #{word := none, numbers := Numbers} when not IsWords ->
            #{name => Name, numbers => scale(values(Numbers, Training))};
        #{words := none} -> too_many(Name, <<"more">>, Most);
        #{texts := Texts} when length(Texts) > Most -> too_many(Name, length(Texts), Most);
        #{texts := Texts} -> #{name => Name, words => lists:sort(Texts)}
    end.

-spec too_many(binary(), term(), pos_integer()) -> no_return().
too_many(Name, Count, Most) ->
    Expected = io_lib:format("at most ~b different words (raise max_words, or name the column in "
                             "ignore)", [Most]),
    bad(Name, Count, iolist_to_binary(Expected)).

%% The numbers of these rows as 32-bit floats, without those that are missing.
values(Numbers, Rows) -> [X || Row <- Rows, X <- [number(Numbers, Row)], X =/= missing].

number(Numbers, Row) ->
    case binary:part(Numbers, 8 * (Row - 1), 8) of
        <<Number/float>> -> rounded(Number);
        _ -> missing
    end.

%% The mean, and one over the standard deviation as scikit-learn has it; where all are the same, 1.
scale([]) -> #{offset => 0.0, factor => 1.0};
scale(Values) ->
    Count = length(Values),
    Mean = rounded(lists:sum(Values) / Count),
    Squares = [(X - Mean) * (X - Mean) || X <- Values],
    Deviation = math:sqrt(lists:sum(Squares) / Count),
    Factor = case Deviation > 1.0e-12 * max(1.0, abs(Mean)) of
                 true -> rounded(1 / Deviation);
                 false -> 1.0
             end,
    #{offset => Mean, factor => Factor}.

%% @private How to scale these rows of a label, and what makes an answer of an output.
-spec label_scale(binary(), cambrian_table:table(), Rows :: [pos_integer()]) ->
          {Label :: scale(), Output :: scale()}.
label_scale(Label, Table, Rows) ->
    {ok, #{numbers := Numbers}} = cambrian_table:column(Label, Table),
    #{offset := Offset, factor := Factor} = Scale = scale(values(Numbers, Rows)),
    {Scale, #{offset => rounded(-Offset * Factor), factor => rounded(1 / Factor)}}.

%% @private The scaled numbers of a label as 32-bit floats.
-spec scaled([float()], scale()) -> binary().
scaled(Numbers, Scale) ->
    << <<(scaled(rounded(Number), Scale, ?LIMIT)):32/float-little>> || Number <- Numbers >>.

%% The nearest 32-bit float. To round a sum, difference or product of two of them once to 64
%% and once to 32 bits gives the bits of 32-bit arithmetic (Figueroa 1995, "When is double rounding
%% innocuous?").
rounded(Number) ->
    <<Rounded:32/float>> = <<Number:32/float>>,
    Rounded.

%%% ---- encode -----------------------------------------------------------------------------

%% @private The inputs for these rows, in their order: scaled 32-bit floats, row after row.
-spec encode(schema(), cambrian_table:table(), Rows :: [pos_integer()]) ->
          {ok, binary()} | {error, cambrian_error:table()}.
encode(#{columns := Columns, missing := Missing}, Table, Rows) ->
    case [Name || #{name := Name} <- Columns, cambrian_table:column(Name, Table) =:= error] of
        [] ->
            guarded(fun() ->
                Encoded = [encoder(Column, Table, Missing) || Column <- Columns],
                lists:foldl(fun(Row, Bytes) ->
                                Inputs = [Encode(Row) || Encode <- Encoded],
                                <<Bytes/binary, (iolist_to_binary(Inputs))/binary>>
                            end, <<>>, Rows)
            end);
        Lacks -> {error, {missing_columns, Lacks, cambrian_table:names(Table)}}
    end.

%% A function from a row to the bytes of this column.
encoder(#{name := Name, numbers := Scale}, Table, Missing) ->
    {ok, #{numbers := Numbers, word := Word}} = cambrian_table:column(Name, Table),
    _ = [bad({Row, Name}, Text, <<"a number within plus and minus 1.0e12">>)
         || {Row, Text} <- [Word]],
    fun(Row) ->
        case number(Numbers, Row) of
            missing when Missing -> <<0.0:32/float-little>>;
            missing -> lacks(Row, Name);
            Number -> <<(scaled(Number, Scale, ?FURTHEST)):32/float-little>>
        end
    end;
encoder(#{name := Name, words := Known}, Table, Missing) ->
    {ok, #{words := Words, texts := Texts}} = cambrian_table:column(Name, Table),
    _ = [bad(Name, <<"more">>, <<"at most 10000 different words">>) || Words =:= none],
    Bytes = list_to_tuple([one_hot(Text, Known) || Text <- Texts]),
    Zeros = << <<0.0:32/float-little>> || _ <- Known >>,
    fun(Row) ->
        case binary:part(Words, 4 * (Row - 1), 4) of
            <<16#FFFFFFFF:32>> when Missing -> Zeros;
            <<16#FFFFFFFF:32>> -> lacks(Row, Name);
            <<Index:32>> ->
                case element(Index + 1, Bytes) of
                    {unknown, Text} -> unknown_word(Row, Name, Text, Known);
                    OneHot -> OneHot
                end
        end
    end.

scaled(Number, #{offset := Offset, factor := Factor}, Furthest) ->
    max(-Furthest, min(Furthest, rounded(rounded(Number - Offset) * Factor))).

one_hot(Text, Known) ->
    case lists:member(Text, Known) of
        true -> << <<(case Word of Text -> 1.0; _ -> 0.0 end):32/float-little>> || Word <- Known >>;
        false -> {unknown, Text}
    end.

-spec lacks(pos_integer(), binary()) -> no_return().
lacks(Row, Name) -> bad({Row, Name}, missing, <<"a value (the option missing allows none)">>).

-spec unknown_word(pos_integer(), binary(), binary(), [binary()]) -> no_return().
unknown_word(Row, Name, Text, Known) ->
    {Shown, Rest} = lists:split(min(10, length(Known)), Known),
    More = [[" or ", integer_to_list(length(Rest)), " others"] || Rest =/= []],
    Clipped = [cambrian_text:clip(Word, ?SHOWN) || Word <- Shown],
    Expected = unicode:characters_to_binary(["one of ", lists:join(", ", Clipped), More]),
    bad({Row, Name}, cambrian_text:clip(Text, ?SHOWN), Expected).

%%% ---- answers ----------------------------------------------------------------------------

%% @private Reads the outputs of all rows.
-spec answers(binary(), schema()) -> {ok, [prediction()]} | {error, term()}.
answers(Outputs, #{answer := Answer}) ->
    Width = case Answer of {classes, Classes} -> length(Classes); {number, _} -> 1 end,
    case byte_size(Outputs) rem (4 * Width) of
        0 -> {ok, [answer([Y || <<Y:32/float-little>> <= Row], Answer)
                   || <<Row:(4 * Width)/binary>> <= Outputs]};
        _ -> {error, {wrong_size, outputs, Width, byte_size(Outputs) div 4}}
    end.

answer(Scores, {classes, Classes}) ->
    Highest = lists:max(Scores),
    [Class | _] = [Class || {Class, Score} <- lists:zip(Classes, Scores), Score == Highest],
    #{answer => Class, scores => Scores};
answer([Score], {number, #{offset := Offset, factor := Factor}}) ->
    #{answer => rounded(rounded(Score - Offset) * Factor), scores => [Score]}.

guarded(Do) ->
    try {ok, Do()}
    catch throw:{?MODULE, Reason} -> {error, Reason}
    end.

-spec bad(term(), term(), binary()) -> no_return().
bad(Where, Got, Expected) -> throw({?MODULE, {bad_table, {Where, Got, Expected}}}).

%%% ---- JSON -------------------------------------------------------------------------------

%% @doc Writes a schema as JSON, for a file beside the champion's, and for other programs.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_columns([{size, [1, 2, 3, 4]}, {weight, [2, 4, 6, 8]}]).
%% 2> {ok, #{schema := Schema}} =
%%        cambrian_data:prepare(Table, #{label => <<"weight">>, kind => regression, validation => 0,
%%                                       test => 0}).
%% 3> Json = cambrian_schema:to_json(Schema).
%% 4> cambrian_schema:from_json(Json) =:= {ok, Schema}.
%% true
%% '''
-spec to_json(schema()) -> binary().
to_json(#{label := Label, columns := Columns, missing := Missing, answer := Answer}) ->
    Answers = case Answer of
                  {classes, Classes} -> [{classes, Classes}];
                  {number, Scale} -> [{output, scale_json(Scale)}]
              end,
    Fields = [{schema, ?VERSION}, {label, Label}, {missing, Missing} | Answers],
    Inputs = [{columns, lists:map(fun input_json/1, Columns)}],
    <<(cambrian_json:encode({Fields ++ Inputs}))/binary, $\n>>.

input_json(#{name := Name, numbers := Scale}) -> {[{name, Name}, {numbers, scale_json(Scale)}]};
input_json(#{name := Name, words := Words}) -> {[{name, Name}, {words, Words}]}.

scale_json(#{offset := Offset, factor := Factor}) -> {[{offset, Offset}, {factor, Factor}]}.

%% @doc Reads the JSON of {@link to_json/1}. The text may come from anyone.
%%
%% ```
%% 1> cambrian_schema:from_json(<<"[1]">>).
%% {error,{bad_schema,<<"expected an object with a schema of version 1">>}}
%% '''
-spec from_json(binary()) -> {ok, schema()} | {error, {bad_schema, Why :: binary()}}.
from_json(Text) ->
    try
        case cambrian_json:decode(Text) of
            {ok, #{<<"schema">> := ?VERSION} = Fields} -> {ok, checked(schema(Fields))};
            {ok, _} -> wrong("an object with a schema of version 1");
            {error, Why} -> {error, {bad_schema, Why}}
        end
    catch throw:{?MODULE, Why2} -> {error, {bad_schema, Why2}}
    end.

schema(#{<<"label">> := Label, <<"missing">> := Missing,
         <<"columns">> := [_ | _] = Columns} = Fields)
  when is_binary(Label), is_boolean(Missing) ->
    #{label => Label, missing => Missing, answer => answer_of(Fields),
      columns => lists:map(fun input_of/1, Columns)};
schema(_) -> wrong("a label, whether fields may be missing, and columns").

answer_of(#{<<"classes">> := [_, _ | _] = Classes}) ->
    IsClass = fun(Class) -> is_integer(Class) orelse is_binary(Class) end,
    _ = [wrong("classes that are integers or words") || not lists:all(IsClass, Classes)],
    {classes, Classes};
answer_of(#{<<"output">> := Scale}) -> {number, scale_of(Scale)};
answer_of(_) -> wrong("two classes or more, or the scale of the output").

input_of(#{<<"name">> := Name, <<"numbers">> := Scale}) when is_binary(Name) ->
    #{name => Name, numbers => scale_of(Scale)};
input_of(#{<<"name">> := Name, <<"words">> := [_ | _] = Words}) when is_binary(Name) ->
    _ = [wrong("words that are texts") || not lists:all(fun is_binary/1, Words)],
    #{name => Name, words => Words};
input_of(_) -> wrong("columns with a name, and numbers or words").

scale_of(#{<<"offset">> := Offset, <<"factor">> := Factor})
  when is_number(Offset), is_number(Factor), abs(Offset) =< ?LIMIT, abs(Factor) =< ?LIMIT ->
    #{offset => rounded(Offset), factor => rounded(Factor)};
scale_of(_) -> wrong("an offset and a factor").

checked(#{columns := Columns} = Schema) ->
    Names = [Name || #{name := Name} <- Columns],
    _ = [wrong("columns with different names") || lists:usort(Names) =/= lists:sort(Names)],
    _ = [wrong("at most 10000 inputs") || width(Columns) > ?MOST_INPUTS],
    Schema.

-spec wrong(string()) -> no_return().
wrong(Expected) -> throw({?MODULE, iolist_to_binary(["expected ", Expected])}).
