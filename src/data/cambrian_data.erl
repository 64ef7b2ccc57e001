%% @doc Makes a task of a table: which column is the answer, which rows are held back, and how
%% inputs are scaled.
%%
%% Fitness sees the training rows. The validation rows choose the champion and end a run with
%% `patience'. The test rows are for {@link measure/2} alone. Scales are those of the training rows.
-module(cambrian_data).

-export([prepare/2, folds/3, measure/2, table/0]).
-export_type([data/0, options/0, measures/0]).

-type options() :: #{label := binary(), kind => classification | regression,
                     ignore => [binary()], words => [binary()], max_words => pos_integer(),
                     missing => error | mean | drop,
                     validation => float() | 0, test => float() | 0, split => random | last,
                     seed => non_neg_integer(),
                     loss => squared | absolute | {huber, number()} | cross_entropy,
                     weights => equal | balanced | [number()]}.

-type rows() :: #{train := [pos_integer()], validation := [pos_integer()],
                  test := [pos_integer()], dropped := non_neg_integer()}.
%% Rows are counted from 1. `dropped' counts those that lack a field.

-type data() :: #{task := cambrian_task:task(), schema := cambrian_schema:schema(),
                  kind := classification | regression, rows := rows(),
                  table := cambrian_table:table()}.

-type measures() :: #{accuracy := float(), balanced_accuracy := float()}
                  | #{r2 := float() | undefined, rmse := float(), mae := float()}.

%% Whole numbers are classes if there are at most so many.
-define(MOST_NUMBERED_CLASSES, 20).
-define(SEE, <<"cambrian_data:prepare/2">>).

%% @private The options, for those who check names.
-spec table() -> cambrian_options:table().
table() ->
    Names = fun(List) -> is_list(List) andalso lists:all(fun is_binary/1, List) end,
    Share = fun(X) -> is_number(X) andalso X >= 0 andalso X < 1 end,
    OneOf = fun(Words) -> fun(Word) -> lists:member(Word, Words) end end,
    Any = fun(_) -> true end,
    #{label => {fun is_binary/1, <<"the name of a column as a binary">>},
      kind => {OneOf([classification, regression]), <<"classification or regression">>},
      ignore => {Names, <<"a list of names of columns as binaries">>, []},
      words => {Names, <<"a list of names of columns as binaries">>, []},
      max_words => {fun(N) -> cambrian_options:is_positive(N) andalso N =< 10_000 end,
                    <<"an integer from 1 to 10000">>, 100},
      missing => {OneOf([error, mean, drop]), <<"error, mean or drop">>, error},
      validation => {Share, <<"a number from 0 to less than 1">>, 0.2},
      test => {Share, <<"a number from 0 to less than 1">>, 0.2},
      split => {OneOf([random, last]), <<"random or last">>, random},
      seed => {fun(N) -> is_integer(N) andalso N >= 0 andalso N < 1 bsl 64 end,
               <<"an integer from 0 to 2^64 - 1">>, 0},
      %% the dataset checks these
      loss => {Any, <<>>}, weights => {Any, <<>>}}.

%% @doc Makes a task of a table, and the schema to keep beside its champion.
%%
%% Options:
%% <ul>
%% <li>`label' (required): the column to predict;</li>
%% <li>`kind': `classification' or `regression'; by default a column of words is a classification,
%%   and so is one of at most 20 different whole numbers;</li>
%% <li>`ignore' ([]): columns that are neither inputs nor the label;</li>
%% <li>`words' ([]): columns of words; by default those without a number. A column that has both and
%%   is not named here is an error, because one of them is a mistake more often than not;</li>
%% <li>`max_words' (100): the most different words of an input column, as each is an input;</li>
%% <li>`missing' (`error'): with `error', a missing field is an error; with `drop', rows that lack
%%   one are left out, and counted; with `mean', a missing number counts as the mean of the training
%%   rows, and a missing word as none of the words. The label of a row is never filled in;</li>
%% <li>`validation' (0.2), `test' (0.2): the shares of the rows that are held back;</li>
%% <li>`split' (`random'): with `random', rows are drawn with the seed, of each class the same
%%   share; with `last', the test rows are the last, and the validation rows those before: for rows
%%   in the order of time;</li>
%% <li>`seed' (0): draws the rows;</li>
%% <li>`loss', `weights': see the datasets of {@link cambrian_task}. `balanced' weights count every
%%   class the same.</li>
%% </ul>
%%
%% ```
%% 1> Rows = [{X, Y, case X + Y > 10 of true -> large; false -> small end}
%%            || X <- lists:seq(1, 10), Y <- lists:seq(1, 10)].
%% 2> {Xs, Ys, Sizes} = lists:unzip3(Rows).
%% 3> {ok, Table} = cambrian_table:from_columns([{x, Xs}, {y, Ys}, {size, Sizes}]).
%% 4> {ok, Data} = cambrian_data:prepare(Table, #{label => <<"size">>, seed => 1}).
%% 5> #{task := Task, rows := #{train := Training, validation := Validation, test := Test}} = Data.
%% 6> {length(Training), length(Validation), length(Test)}.
%% {60,20,20}
%% 7> {ok, #{champion := Champion}} = cambrian:evolve(Task, #{seed => 1, generations => 30}).
%% 8> Network = cambrian_network:compile(Champion).
%% 9> #{test := #{accuracy := Accuracy}} = cambrian_data:measure(Data, Network).
%% 10> Accuracy >= 0.9.
%% true
%% 11> cambrian_data:prepare(Table, #{label => <<"colour">>}).
%% {error,{unknown_columns,[<<"colour">>],[<<"x">>,<<"y">>,<<"size">>]}}
%% '''
-spec prepare(cambrian_table:table(), options()) -> {ok, data()} | {error, term()}.
prepare(Table, Options) ->
    with_labels(Table, Options, fun(Checked, Labels, Rows) ->
        case cambrian_split:parts(Labels, Checked) of
            {ok, Parts} -> data(Table, Checked, Labels, Rows, Parts);
            Error -> Error
        end
    end).

%% @doc Makes the data of K folds: each row is a test row in one of them, and with a random split
%% each fold has the same share of each class. The option `test' does not apply.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_columns([{x, lists:seq(1, 20)}, {y, lists:duplicate(10, a)
%%                                                ++ lists:duplicate(10, b)}]).
%% 2> {ok, Folds} = cambrian_data:folds(Table, 5, #{label => <<"y">>, seed => 3}).
%% 3> [length(Test) || #{rows := #{test := Test}} <- Folds].
%% [4,4,4,4,4]
%% '''
-spec folds(cambrian_table:table(), K :: pos_integer(), options()) ->
          {ok, [data()]} | {error, term()}.
folds(Table, K, Options) when is_integer(K), K >= 2 ->
    with_labels(Table, Options, fun(Checked, Labels, Rows) ->
        case cambrian_split:folds(Labels, K, Checked) of
            {ok, Folds} ->
                all([data(Table, Checked, Labels, Rows, Parts) || Parts <- Folds]);
            Error -> Error
        end
    end).

all(Answers) ->
    case [Error || {error, _} = Error <- Answers] of
        [Error | _] -> Error;
        [] -> {ok, [Data || {ok, Data} <- Answers]}
    end.

%%% ---- labels and rows --------------------------------------------------------------------

%% Calls the function with the options, with the label of each row that is used, and with those
%% rows.
with_labels(Table, Options, Do) ->
    case cambrian_options:check(Options, table(), ?SEE) of
        {ok, #{label := Label, ignore := Ignore, words := Words} = Checked} ->
            Names = cambrian_table:names(Table),
            case ([Label | Ignore] ++ Words) -- Names of
                [] -> used(Table, Checked#{inputs => Names -- [Label | Ignore]}, Do);
                Unknown -> {error, {unknown_columns, lists:usort(Unknown) -- Names, Names}}
            end;
        {ok, _} -> {error, {missing_options, [label]}};
        Error -> Error
    end.

used(Table, #{label := Label, inputs := Inputs, missing := Missing} = Checked, Do) ->
    Lacking = lacking(Table, case Missing of mean -> [Label]; _ -> [Label | Inputs] end),
    case {Lacking, Missing} of
        {[{Row, Name} | _], Missing} when Missing =/= drop ->
            Expected = case Name of
                           Label -> <<"a label (with missing drop, the row is left out)">>;
                           _ -> <<"a value (the option missing may be mean or drop)">>
                       end,
            {error, {bad_table, {{Row, Name}, missing, Expected}}};
        _ ->
            Rows = kept(Table, Lacking),
            case kind(Table, Checked) of
                {ok, Kind} when Rows =/= [] ->
                    Do(Checked#{kind => Kind}, labels(Kind, Table, Label, Rows), Rows);
                {ok, _} -> {error, {bad_table, {rows, 0, <<"a row that lacks no field">>}}};
                Error -> Error
            end
    end.

%% The first row of each of these columns that lacks a field, the first of all at the head.
lacking(Table, Names) ->
    lists:sort([{Row, Name} || Name <- Names, {ok, #{missing := Row}} <- [column(Name, Table)],
                               Row =/= none]).

column(Name, Table) -> cambrian_table:column(Name, Table).

kept(Table, Lacking) ->
    Fields = [maps:with([numbers, words], Column)
              || {_, Name} <- Lacking, {ok, Column} <- [column(Name, Table)]],
    [Row || Row <- lists:seq(1, cambrian_table:size(Table)),
            not lists:any(fun(Column) -> cambrian_table:is_missing(Row, Column) end, Fields)].

kind(Table, #{label := Label} = Checked) ->
    {ok, Column} = column(Label, Table),
    case {Checked, Column} of
        {#{kind := regression}, #{word := {Row, Word}}} ->
            {error, {bad_table, {{Row, Label}, Word, <<"a number, as the kind is regression">>}}};
        {#{kind := regression}, _} -> {ok, regression};
        {#{kind := classification}, #{words := none}} -> too_many_classes(Label);
        {_, #{number := none, words := none}} -> too_many_classes(Label);
        {#{kind := classification}, _} -> {ok, classification};
        {_, #{number := none}} -> {ok, classification};
        {_, #{word := {Row, Word}}} ->
            Expected = <<"a number as in other rows (with kind classification, all are words)">>,
            {error, {bad_table, {{Row, Label}, Word, Expected}}};
        {_, #{texts := [_ | _] = Texts}} when length(Texts) =< ?MOST_NUMBERED_CLASSES ->
            case lists:all(fun is_whole/1, Texts) of
                true -> {ok, classification};
                false -> {ok, regression}
            end;
        _ -> {ok, regression}
    end.

too_many_classes(Label) -> bad_label(Label, <<"more">>, <<"at most 10000 classes">>).

is_whole(Text) -> re:run(Text, "^-?[0-9]{1,16}$", [{capture, none}]) =:= match.

%% Classes are integers if all are; else they are words.
labels(regression, Table, Label, Rows) ->
    {ok, Column} = column(Label, Table),
    [cambrian_table:number(Row, Column) || Row <- Rows];
labels(classification, Table, Label, Rows) ->
    {ok, #{texts := Texts} = Column} = column(Label, Table),
    Class = case lists:all(fun is_whole/1, Texts) of
                true -> fun binary_to_integer/1;
                false -> fun(Text) -> Text end
            end,
    [Class(Word) || Word <- cambrian_table:words(Rows, Column)].

%%% ---- a task -----------------------------------------------------------------------------

%% The parts have places in the list of rows.
data(Table, #{kind := Kind, label := Label} = Options, Labels, Rows, Parts) ->
    At = list_to_tuple(Rows),
    Numbered = maps:map(fun(_, Places) -> [element(Place, At) || Place <- Places] end, Parts),
    #{train := Training, validation := Held} = Numbered,
    Learnt = Training ++ Held,
    case answer(Kind, Label, Table, {Training, labels(Kind, Table, Label, Learnt), Labels}) of
        {ok, Answer, Targets} ->
            Wanted = (maps:with([label, words], Options))
                     #{missing => map_get(missing, Options) =:= mean,
                       most => map_get(max_words, Options), answer => Answer},
            Dropped = cambrian_table:size(Table) - length(Rows),
            Data = #{kind => Kind, table => Table, rows => Numbered#{dropped => Dropped}},
            case cambrian_schema:new(Table, map_get(inputs, Options), Training, Wanted) of
                {ok, Schema} -> with_task(Data#{schema => Schema}, Targets, Learnt, Options);
                Error -> Error
            end;
        Error -> Error
    end.

%% What a network answers, and the targets of the rows that it learns or is chosen by.
answer(classification, Label, _, {Training, Targets, Labels}) ->
    Learnt = lists:usort(lists:sublist(Targets, length(Training))),
    case {Learnt, lists:usort(Labels) -- Learnt} of
        {[_], []} -> bad_label(Label, 1, <<"two classes or more">>);
        {_, []} -> {ok, {classes, Learnt}, Targets};
        {_, [Class | _]} -> bad_label(Label, Class, <<"classes that have a training row">>)
    end;
answer(regression, Label, Table, {Training, Targets, _}) ->
    {Scale, Output} = cambrian_schema:label_scale(Label, Table, Training),
    {ok, {number, Output}, {1, cambrian_schema:scaled(Targets, Scale)}}.

bad_label(Label, Got, Expected) -> {error, {bad_table, {Label, Got, Expected}}}.

with_task(#{table := Table, schema := Schema, rows := #{validation := Held}} = Data, Targets,
          Learnt, #{kind := Kind} = Options) ->
    case cambrian_schema:encode(Schema, Table, Learnt) of
        {ok, Inputs} ->
            Settings = (maps:with([loss, weights], Options))
                       #{kind => Kind, targets => Targets,
                         inputs => {cambrian_schema:inputs(Schema), Inputs}},
            Last = maps:from_list([{validation, {last, length(Held)}} || Held =/= []]),
            Task = {dataset, maps:merge(Settings, Last)},
            case cambrian_task:new(Task) of
                {ok, _} -> {ok, Data#{task => Task}};
                Error -> Error
            end;
        Error -> Error
    end.

%%% ---- measures ---------------------------------------------------------------------------

%% @doc Measures a network on each part of the data. A part without rows is left out.
%%
%% A classification has `accuracy', the share of the rows whose class is right, and
%% `balanced_accuracy', the mean of that share over the classes. A regression has the coefficient of
%% determination `r2' (`undefined' if all labels are the same), the root of the mean squared error
%% `rmse', and the mean absolute error `mae', in the units of the label.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_columns([{x, lists:seq(1, 50)}, {y, lists:seq(2, 100, 2)}]).
%% 2> {ok, Data} = cambrian_data:prepare(Table, #{label => <<"y">>}).
%% 3> Options = #{seed => 1, generations => 30}.
%% 4> {ok, #{champion := Champion}} = cambrian:evolve(maps:get(task, Data), Options).
%% 5> #{test := #{r2 := R2}} = cambrian_data:measure(Data, cambrian_network:compile(Champion)).
%% 6> R2 > 0.99.
%% true
%% '''
-spec measure(data(), cambrian_network:network()) ->
          #{train => measures(), validation => measures(), test => measures()}.
measure(#{table := Table, schema := Schema, kind := Kind, rows := Parts}, Network) ->
    #{label := Label} = Schema,
    maps:map(fun(_, Rows) ->
                 {ok, Inputs} = cambrian_schema:encode(Schema, Table, Rows),
                 Outputs = cambrian_network:activate_batch(Network, Inputs),
                 {ok, Predictions} = cambrian_schema:answers(Outputs, Schema),
                 Answers = [Answer || #{answer := Answer} <- Predictions],
                 Labels = labels(Kind, Table, Label, Rows),
                 cambrian_measures:of_answers(Kind, lists:zip(Labels, Answers))
             end, maps:filter(fun(_, Rows) -> is_list(Rows) andalso Rows =/= [] end, Parts)).
