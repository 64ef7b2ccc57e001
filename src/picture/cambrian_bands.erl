%% @doc Stacked charts of species over time, as plain SVG text.
-module(cambrian_bands).

-import(cambrian_axes, [at/2]).
-import(cambrian_pen, [p/1, tag/3, text_width/2, words/6]).
-import(cambrian_text, [bounded/1, clip/2, counted/2, escape/1, short/1]).

-export([stacked/2]).

-define(MAX_COLUMNS, 160).
-define(MAX_BANDS, 32).
-define(COLOURS, 10).

%% @doc Draws the sizes of species over the generations, one band a species, the oldest lowest.
%%
%% At most 160 generations are drawn, and the 32 largest species: the rest are one grey band.
%% Of the options, `marks' are for {@link cambrian_chart:chart/2} alone.
%%
%% ```
%% 1> Svg = cambrian_bands:stacked([{0, [{1, 150}]}, {1, [{1, 110}, {2, 40}]}, {2, [{1, 60}, {2, 90}]}],
%%                                #{title => <<"Species">>, x_label => <<"generation">>}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"2 species over 3 generations; 2 at the end.">>]}
%% '''
-spec stacked([{Generation :: number(), [{SpeciesId :: term(), Size :: number()}]}], cambrian_chart:opts()) -> iodata().
stacked(History, Opts) ->
    Sorted = lists:keysort(1, [{bounded(G), Sizes} || {G, Sizes} <- History]),
    Columns = widened(cambrian_room:evenly(Sorted, ?MAX_COLUMNS)),
    {Ids, Others} = largest_species(Columns),
    Table = [{G, sizes_in_order(Sizes, Ids, Others)} || {G, Sizes} <- Columns],
    Look = #{whole => lists:all(fun({G, _}) -> is_integer(G) end, History), from_zero => true, right => 14},
    Plot = #{size := Size} = cambrian_axes:plot([{G, lists:sum(Sizes)} || {G, Sizes} <- Table], Look, Opts),
    Bands = bands(Ids ++ [others || Others > 0], Table),
    cambrian_pen:frame("stacked", "Species over time", summary(Sorted, length(Ids) + Others), Size, Opts, [
        cambrian_axes:draw(Plot, Opts),
        tag(g, [{class, "cb-bands"}], [
            "\n",
            [draw_band(I, Band, Plot) || {I, Band} <- lists:enumerate(Bands)],
            [band_label(Band, Plot) || Band <- Bands]
        ]),
        "\n"
    ]).

%% What the picture says to somebody who cannot see it.
summary([], _) ->
    "No generations yet.";
summary(Sorted, Count) ->
    {_, Last} = lists:last(Sorted),
    Now = length([x || {_, Size} <- Last, Size > 0]),
    [
        integer_to_list(Count), " species over ", counted(length(Sorted), "generation"), "; ",
        integer_to_list(Now), " at the end."
    ].

%% ---------------------------------------------------------------------------------------------
%% Who is drawn
%% ---------------------------------------------------------------------------------------------

%% One generation has no width: it is drawn as a column.
widened([{G, Sizes}]) -> [{G - 0.5, Sizes}, {G + 0.5, Sizes}];
widened(Columns) -> Columns.

%% The species to draw in the order in which they appeared, and how many are left for the grey band.
largest_species(Columns) ->
    Seen = lists:foldl(
        fun({Id, Size}, Acc) ->
            maps:update_with(Id, fun({I, Sum}) -> {I, Sum + members(Size)} end, {map_size(Acc), members(Size)}, Acc)
        end,
        #{},
        [Species || {_, Sizes} <- Columns, Species <- lists:sort(Sizes)]
    ),
    All = lists:sort([{-Sum, First, Id} || {Id, {First, Sum}} <- maps:to_list(Seen), Sum > 0]),
    Largest = lists:sublist(All, ?MAX_BANDS),
    {[Id || {_, _, Id} <- lists:keysort(2, Largest)], length(All) - length(Largest)}.

members(Size) -> max(0.0, bounded(Size)).

sizes_in_order(Sizes, Ids, Others) ->
    ById = maps:from_list(Sizes),
    Known = [members(maps:get(Id, ById, 0)) || Id <- Ids],
    Rest = lists:sum([members(Size) || Size <- maps:values(ById)]) - lists:sum(Known),
    Known ++ [max(0.0, Rest) || Others > 0].

%% Each band with its lower and its upper edge.
bands(Ids, Table) ->
    {Bands, _} = lists:mapfoldl(
        fun(Id, {Lower, Rows}) ->
            Upper = [{G, Y + Size} || {{G, Y}, [Size | _]} <- lists:zip(Lower, Rows)],
            {{Id, Lower, Upper}, {Upper, [tl(Row) || Row <- Rows]}}
        end,
        {[{G, 0.0} || {G, _} <- Table], [Sizes || {_, Sizes} <- Table]},
        Ids
    ),
    Bands.

%% ---------------------------------------------------------------------------------------------
%% How a band is drawn
%% ---------------------------------------------------------------------------------------------

draw_band(Index, {Id, Lower, Upper}, Plot) ->
    Alive = alive(lists:zip(Lower, Upper)),
    {Low, High} = lists:unzip(Alive),
    Living = [G || {{G, A}, {_, B}} <- Alive, B > A],
    Peak = lists:max([0.0 | [B - A || {{_, A}, {_, B}} <- Alive]]),
    {Colour, Name} = case Id of
        others -> {0, "smaller species together"};
        _ -> {(Index - 1) rem ?COLOURS + 1, ["species ", escape(clip(Id, 40))]}
    end,
    Outline = [p(at(Point, Plot)) || Point <- High ++ lists:reverse(Low)],
    Title = [
        Name, [[": generations ", short(hd(Living)), <<"–"/utf8>>, short(lists:last(Living))] || Living =/= []],
        ", at most ", short(Peak)
    ],
    Attributes = [{class, ["cb-band cb-b", integer_to_list(Colour)]}, {d, ["M", lists:join("L", Outline), "Z"]}],
    [tag(path, Attributes, tag(title, [], Title)), "\n"].

%% A band from the generation before its first member to the one after its last.
alive(Pairs) ->
    lists:reverse(from_birth(lists:reverse(from_birth(Pairs)))).

from_birth(Pairs) ->
    case lists:splitwith(fun({{_, A}, {_, B}}) -> B =< A end, Pairs) of
        {[], Rest} -> Rest;
        {Before, Rest} -> [lists:last(Before) | Rest]
    end.

%% A band names its species where it is thickest, if that is thick enough over the width of the name.
band_label({others, _, _}, _) ->
    [];
band_label({Id, Lower, Upper}, #{left := Left, right := Right} = Plot) ->
    Name = clip(Id, 12),
    Edges = [{X, A, B} || {L, U} <- lists:zip(Lower, Upper), {X, A} <- [at(L, Plot)], {_, B} <- [at(U, Plot)]],
    Step = max(0.5, (Right - Left) / max(1, length(Edges) - 1)),
    Reach = ceil((text_width(Name, 10) / 2 + 1) / Step),
    Gaps = [
        {lists:min([A || {_, A, _} <- Window]) - lists:max([B || {_, _, B} <- Window]), -I, Window}
     || {I, Window} <- lists:enumerate(windows(Edges, 2 * Reach + 1))
    ],
    case lists:max([none_fits | Gaps]) of
        {Gap, _, Window} when Gap >= 12 ->
            {X, _, _} = lists:nth(Reach + 1, Window),
            Low = lists:min([A || {_, A, _} <- Window]),
            words(X, Low - Gap / 2 + 3.5, "middle", "cb-name", 10, Name);
        _ ->
            []
    end.

windows(List, Size) -> [lists:sublist(List, I, Size) || I <- lists:seq(1, max(0, length(List) - Size + 1))].
