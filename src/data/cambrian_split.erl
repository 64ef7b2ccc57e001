%% @private
%% Which rows of a table are for training, for validation and for the test. Rows are places in a
%% list of labels, from 1.
-module(cambrian_split).

-export([parts/2, folds/3]).

-type parts() :: #{train := [pos_integer()], validation := [pos_integer()],
                   test := [pos_integer()]}.
-type options() :: #{kind := classification | regression, split := random | last,
                     validation := number(), test := number(), seed := non_neg_integer(),
                     atom() => term()}.

%% @doc Shares the rows out.
-spec parts([term(), ...], options()) -> {ok, parts()} | {error, cambrian_error:option()}.
parts(Labels, #{test := Share} = Options) ->
    Groups = [{length(Rows), Rows} || Rows <- groups(Labels, Options)],
    {Others, Test} = held_back(Groups, Share, Options),
    case checked([with_validation(Others, lists:sort(lists:append(Test)), Options)], Options) of
        {ok, [Parts]} -> {ok, Parts};
        Error -> Error
    end.

%% @doc Shares the rows out K times, so that each is a test row once. In the order of the rows, a
%% fold is a stretch of them.
-spec folds([term(), ...], pos_integer(), options()) ->
          {ok, [parts()]} | {error, cambrian_error:option()}.
folds(Labels, K, Options) ->
    Groups = groups(Labels, Options),
    Dealt = dealt(Groups, K, Options),
    Parts = [with_validation([{length(Rows), [Row || Row <- Rows, not is_map_key(Row, Test)]}
                              || Rows <- Groups],
                             lists:sort(maps:keys(Test)), Options) || Test <- Dealt],
    case length(Labels) of
        Count when Count < K ->
            {error, {bad_option, {folds, K, <<"at most as many as there are rows">>}}};
        _ -> checked(Parts, Options#{test := 1 / K})
    end.

%% The rows of each class in random order, or all rows as they are.
groups(Labels, #{split := last}) -> [lists:seq(1, length(Labels))];
groups(Labels, #{kind := Kind, seed := Seed}) ->
    Classes = case Kind of
                  classification -> Labels;
                  regression -> [all || _ <- Labels]
              end,
    Numbered = lists:zip(Classes, lists:seq(1, length(Labels))),
    Rows = maps:groups_from_list(fun({Class, _}) -> Class end, fun({_, Row}) -> Row end, Numbered),
    Sorted = lists:enumerate(lists:sort(maps:to_list(Rows))),
    [shuffled(Group, Seed, At) || {At, {_, Group}} <- Sorted].

shuffled(Rows, Seed, Group) ->
    Order = cambrian_nif:dataset_order(length(Rows), Seed, Group),
    At = list_to_tuple(Rows),
    [element(Place + 1, At) || <<Place:32/native>> <= Order].

%% Of each group, with the number of rows that it had at first, the others and those held back,
%% which are a share of that number. One row of each class is always left.
held_back(Groups, Share, Options) ->
    Split = [{{Count, Others}, Held}
             || {Count, Rows} <- Groups,
                {Others, Held} <- [lists:split(left(Rows, round(Share * Count), Options), Rows)]],
    lists:unzip(Split).

left(Rows, Held, #{kind := classification, split := random}) ->
    max(min(1, length(Rows)), length(Rows) - Held);
left(Rows, Held, _) -> max(0, length(Rows) - Held).

with_validation(Groups, Test, #{validation := Share} = Options) ->
    {Training, Validation} = held_back(Groups, Share, Options),
    #{train => lists:sort(lists:append([Rows || {_, Rows} <- Training])),
      validation => lists:sort(lists:append(Validation)), test => Test}.

%% Each fold as a map of its rows. A random group is dealt like cards, and the next group goes on
%% where it ended.
dealt([Rows], K, #{split := last}) ->
    Count = length(Rows),
    [maps:from_keys(lists:seq(Count * (Fold - 1) div K + 1, Count * Fold div K), test)
     || Fold <- lists:seq(1, K)];
dealt(Groups, K, _) ->
    Cards = lists:enumerate(0, lists:append(Groups)),
    [maps:from_keys([Row || {At, Row} <- Cards, At rem K =:= Fold], test)
     || Fold <- lists:seq(0, K - 1)].

%% A share that is not 0 has rows, and so has the training part.
checked(_, #{validation := Validation, test := Test}) when Validation + Test >= 1 ->
    {error, {bad_option, {test, Test, <<"less than 1 together with validation">>}}};
checked(All, #{validation := Validation, test := Test}) ->
    Fits = fun(#{train := Training, validation := Held, test := Last}) ->
               {Training =/= [] andalso (Held =/= [] orelse Validation == 0),
                Training =/= [] andalso (Last =/= [] orelse Test == 0)}
           end,
    Expected = <<"a share of the rows that leaves one or more in each part">>,
    case lists:usort(lists:map(Fits, All)) of
        [{true, true}] -> {ok, All};
        [{_, false} | _] -> {error, {bad_option, {test, Test, Expected}}};
        _ -> {error, {bad_option, {validation, Validation, Expected}}}
    end.
