%% @doc Stacked charts of species over time, as plain SVG text.
-module(cambrian_bands).

-import(cambrian_axes, [at/2]).
-import(cambrian_svg_element, [p/1, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/2, counted/2, escape/1, finite/1, short/1]).

-export([stacked/2]).

%% Pixels a column, and how many columns there are at most.
-define(COLUMN, 6).
-define(MAX_COLUMNS, 160).
%% How much is drawn for each column, in columns of bands, and what a band costs besides.
-define(CELLS, 40).
-define(CELLS_A_BAND, 6).
-define(THIN, 32).
-define(COLOURS, 10).
%% More members than any population has, and few enough to be summed.
-define(MOST, 1.0e15).

%% @doc Draws the sizes of species over the generations, one band a species, the oldest lowest.
%%
%% Of more generations than one for 6 pixels, or than 160, the mean of each stretch is drawn. Of very many species the largest
%% are drawn: the rest are one grey band. Bands that touch have different colours.
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
    Sorted = lists:keysort(1, [{finite(G), [{Id, members(Size)} || {Id, Size} <- Sizes]} || {G, Sizes} <- History]),
    Columns = widened(averaged(Sorted, max(40, min(?MAX_COLUMNS, maps:get(width, Opts, 720) div ?COLUMN)))),
    {Ids, Others} = largest_species(Columns),
    Table = [{G, sizes_in_order(Sizes, Ids, Others)} || {G, Sizes} <- Columns],
    Look = #{whole => lists:all(fun({G, _}) -> is_integer(G) end, History), from_zero => true, right => 14},
    Plot = #{size := Size} = cambrian_axes:plot([{G, lists:sum(Sizes)} || {G, Sizes} <- Table], Look, Opts),
    Bands = coloured(bands(Ids ++ [others || Others > 0], Table)),
    Lives = lives(Sorted),
    cambrian_svg_element:frame("stacked", "Species over time", summary(Sorted, length(Ids) + Others), Size, Opts, [
        cambrian_axes:draw(Plot, Opts),
        tag(g, [{class, ["cb-bands", [" cb-many" || length(Ids) > ?THIN]]}], [
            "\n",
            [draw_band(Band, Lives, Plot) || Band <- Bands],
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

%% The mean size of each species in each stretch of generations: picking some generations would show those of a species that
%% comes and goes as spikes.
averaged(Columns, Max) when length(Columns) =< Max ->
    Columns;
averaged([{First, _} | _] = Columns, Max) ->
    Stretches = stretches(Columns, length(Columns) / Max, 1),
    {Last, _} = lists:last(Columns),
    [_ | Middle] = lists:droplast(Stretches),
    [mean(First, hd(Stretches))] ++ [mean(middle(Stretch), Stretch) || Stretch <- Middle] ++ [mean(Last, lists:last(Stretches))].

stretches([], _, _) ->
    [];
stretches(Columns, Length, I) ->
    {Now, Later} = lists:split(min(length(Columns), round(I * Length) - round((I - 1) * Length)), Columns),
    [Now | stretches(Later, Length, I + 1)].

middle(Stretch) ->
    {Generation, _} = lists:nth((length(Stretch) + 1) div 2, Stretch),
    Generation.

mean(Generation, Stretch) ->
    Count = length(Stretch),
    Add = fun({Id, Size}, Sums) -> maps:update_with(Id, fun(Sum) -> Sum + Size / Count end, Size / Count, Sums) end,
    {Generation, maps:to_list(lists:foldl(Add, #{}, [Species || {_, Sizes} <- Stretch, Species <- Sizes]))}.

%% One generation has no width: it is drawn as a column.
widened([{G, Sizes}]) -> [{G - 0.5, Sizes}, {G + 0.5, Sizes}];
widened(Columns) -> Columns.

%% Between which generations each species had members, and how many at most.
lives(Sorted) ->
    lists:foldl(
        fun({G, Id, Size}, Acc) -> maps:update_with(Id, fun({First, _, Most}) -> {First, G, max(Most, Size)} end, {G, G, Size}, Acc) end,
        #{},
        [{G, Id, Size} || {G, Sizes} <- Sorted, {Id, Size} <- Sizes, Size > 0]
    ).

%% The species to draw in the order in which they appeared, and how many are left for the grey band.
largest_species(Columns) ->
    Seen = lists:foldl(
        fun({Id, Size}, Acc) ->
            maps:update_with(Id, fun({I, Sum, Cells}) -> {I, Sum + Size, Cells + 1} end, {map_size(Acc), Size, 1}, Acc)
        end,
        #{},
        [Species || {_, Sizes} <- Columns, {_, Size} = Species <- lists:sort(Sizes), Size > 0]
    ),
    All = lists:sort([{-Sum, First, Id, Cells} || {Id, {First, Sum, Cells}} <- maps:to_list(Seen)]),
    {Largest, _} = lists:foldl(
        fun({_, First, Id, Cells}, {Some, Left}) when Left >= Cells -> {[{First, Id} | Some], Left - Cells - ?CELLS_A_BAND};
           (_, {Some, _}) -> {Some, 0}
        end, {[], ?CELLS * length(Columns)}, All),
    {[Id || {_, Id} <- lists:sort(Largest)], length(All) - length(Largest)}.

members(Size) -> max(0.0, min(?MOST, finite(Size))).

sizes_in_order(Sizes, Ids, Others) ->
    ById = maps:from_list(Sizes),
    Known = [maps:get(Id, ById, 0.0) || Id <- Ids],
    Rest = lists:sum(maps:values(ById)) - lists:sum(Known),
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

%% Each band with its colour: the one after that of the band before, but for those of the bands that it touches.
coloured(Bands) ->
    {Drawn, _} = lists:mapfoldl(
        fun({others, Lower, Upper}, Acc) -> {{0, others, Lower, Upper}, Acc};
           ({Id, Lower, Upper}, {Next, Tops}) ->
            Here = [{G, Y} || {{G, Y}, {_, High}} <- lists:zip(Lower, Upper), High > Y],
            Below = lists:usort([Colour || {G, _} <- Here, #{G := Colour} <- [Tops]]),
            Free = [Colour || Colour <- lists:seq(Next, ?COLOURS) ++ lists:seq(1, Next - 1), not lists:member(Colour, Below)],
            Colour = hd(Free ++ [Next]),
            {{Colour, Id, Lower, Upper}, {Colour rem ?COLOURS + 1, maps:merge(Tops, maps:from_keys([G || {G, _} <- Here], Colour))}}
        end,
        {1, #{}},
        Bands
    ),
    Drawn.

%% ---------------------------------------------------------------------------------------------
%% How a band is drawn
%% ---------------------------------------------------------------------------------------------

draw_band({Colour, Id, Lower, Upper}, Lives, Plot) ->
    {Low, High} = lists:unzip(alive(lists:zip(Lower, Upper))),
    Outline = [p(at(Point, Plot)) || Point <- High ++ lists:reverse(Low)],
    Attributes = [{class, ["cb-band cb-b", integer_to_list(Colour)]}, {d, ["M", lists:join("L", Outline), "Z"]}],
    [tag(path, Attributes, tag(title, [], about(Id, Lives))), "\n"].

about(others, _) ->
    "smaller species together";
about(Id, Lives) ->
    #{Id := {First, Last, Most}} = Lives,
    ["species ", escape(clip(Id, 40)), ": generations ", short(First), <<"–"/utf8>>, short(Last), ", at most ", short(Most)].

%% A band from the generation before its first member to the one after its last.
alive(Pairs) ->
    lists:reverse(from_birth(lists:reverse(from_birth(Pairs)))).

from_birth(Pairs) ->
    case lists:splitwith(fun({{_, A}, {_, B}}) -> B =< A end, Pairs) of
        {[], Rest} -> Rest;
        {Before, Rest} -> [lists:last(Before) | Rest]
    end.

%% A band names its species where it is thickest, if that is thick enough over the width of the name.
band_label({_, others, _, _}, _) ->
    [];
band_label({_, Id, Lower, Upper}, #{left := Left, right := Right} = Plot) ->
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
