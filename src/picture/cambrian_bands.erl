%% @doc Draws stacked charts of species over time, as plain SVG text.
-module(cambrian_bands).

-import(cambrian_axes, [at/2]).
-import(cambrian_svg_element, [p/1, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/2, counted/2, escape/1, finite/1, short/1]).

-export([stacked/2]).

%% The width of a column in pixels, and the most columns.
-define(COLUMN, 6).
-define(MAX_COLUMNS, 160).
%% A cell is one band in one column. The chart draws at most CELLS cells a column on average; each
%% band costs CELLS_A_BAND cells more.
-define(CELLS, 40).
-define(CELLS_A_BAND, 6).
-define(THIN, 32).
-define(COLOURS, 10).
%% More members than any population has, and few enough that sums do not overflow.
-define(MAX_MEMBERS, 1.0e15).

%% @doc Draws the sizes of species over the generations, one band a species, the oldest lowest.
%%
%% With more than one generation for 6 pixels, or more than 160, the chart shows the mean of each
%% stretch of generations. With very many species, it shows the largest; the rest are one grey band.
%% Bands that touch have different colours. The option `marks' is ignored.
%%
%% ```
%% 1> Svg = cambrian_bands:stacked(
%%        [{0, [{1, 150}]}, {1, [{1, 110}, {2, 40}]}, {2, [{1, 60}, {2, 90}]}],
%%        #{title => <<"Species">>, x_label => <<"generation">>}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"2 species over 3 generations; 2 at the end.">>]}
%% '''
-spec stacked([{Generation :: number(), [{SpeciesId :: term(), Size :: number()}]}],
              cambrian_chart:opts()) -> iodata().
stacked(History, Opts) ->
    ok = cambrian_picture_options:ensure(?MODULE, stacked, 2, chart, Opts),
    Sorted = lists:keysort(1, [{finite(G), [{Id, members(Size)} || {Id, Size} <- Sizes]}
                               || {G, Sizes} <- History]),
    MaxColumns = max(40, min(?MAX_COLUMNS, maps:get(width, Opts, 720) div ?COLUMN)),
    Columns = widened(averaged(Sorted, MaxColumns)),
    {Ids, Others} = largest_species(Columns),
    Table = [{G, sizes_in_order(Sizes, Ids, Others)} || {G, Sizes} <- Columns],
    IsWhole = lists:all(fun({G, _}) -> is_integer(G) end, History),
    Look = #{whole => IsWhole, from_zero => true, right => 14},
    Totals = [{G, lists:sum(Sizes)} || {G, Sizes} <- Table],
    Plot = #{size := Size} = cambrian_axes:plot(Totals, Look, Opts),
    Bands = coloured(bands(Ids ++ [others || Others > 0], Table)),
    Lives = lives(Sorted),
    Summary = summary(Sorted, length(Ids) + Others),
    cambrian_svg_element:frame("stacked", "Species over time", Summary, Size, Opts, [
        cambrian_axes:draw(Plot, Opts),
        tag(g, [{class, ["cb-bands", [" cb-many" || length(Ids) > ?THIN]]}], [
            "\n",
            [draw_band(Band, Lives, Plot) || Band <- Bands],
            [band_label(Band, Plot) || Band <- Bands]
        ]),
        "\n"
    ]).

%% Describes the picture for readers who cannot see it.
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
%% The species that are drawn
%% ---------------------------------------------------------------------------------------------

%% Computes the mean size of each species in each stretch of generations. If the chart showed single
%% generations instead, a species that comes and goes would look like spikes.
averaged(Columns, Max) when length(Columns) =< Max ->
    Columns;
averaged([{First, _} | _] = Columns, Max) ->
    Stretches = stretches(Columns, length(Columns) / Max, 1),
    {Last, _} = lists:last(Columns),
    [_ | Middle] = lists:droplast(Stretches),
    [mean(First, hd(Stretches))]
        ++ [mean(middle(Stretch), Stretch) || Stretch <- Middle]
        ++ [mean(Last, lists:last(Stretches))].

stretches([], _, _) ->
    [];
stretches(Columns, Length, I) ->
    Size = round(I * Length) - round((I - 1) * Length),
    {Now, Later} = lists:split(min(length(Columns), Size), Columns),
    [Now | stretches(Later, Length, I + 1)].

middle(Stretch) ->
    {Generation, _} = lists:nth((length(Stretch) + 1) div 2, Stretch),
    Generation.

mean(Generation, Stretch) ->
    Count = length(Stretch),
    Add = fun({Id, Size}, Sums) ->
        maps:update_with(Id, fun(Sum) -> Sum + Size / Count end, Size / Count, Sums)
    end,
    Species = [One || {_, Sizes} <- Stretch, One <- Sizes],
    {Generation, maps:to_list(lists:foldl(Add, #{}, Species))}.

%% A single generation has no width, so it is drawn as a column.
widened([{G, Sizes}]) -> [{G - 0.5, Sizes}, {G + 0.5, Sizes}];
widened(Columns) -> Columns.

%% Returns for each species its first and last generation with members, and its largest size.
lives(Sorted) ->
    Add = fun({G, Id, Size}, Lives) ->
        Extend = fun({First, _, Most}) -> {First, G, max(Most, Size)} end,
        maps:update_with(Id, Extend, {G, G, Size}, Lives)
    end,
    lists:foldl(Add, #{}, [{G, Id, Size} || {G, Sizes} <- Sorted, {Id, Size} <- Sizes, Size > 0]).

%% Returns the species to draw in the order in which they appeared, and the number of species in the
%% grey band.
largest_species(Columns) ->
    Seen = lists:foldl(
        fun({Id, Size}, Acc) ->
            Add = fun({I, Sum, Cells}) -> {I, Sum + Size, Cells + 1} end,
            maps:update_with(Id, Add, {map_size(Acc), Size, 1}, Acc)
        end,
        #{},
        [Species || {_, Sizes} <- Columns, {_, Size} = Species <- lists:sort(Sizes), Size > 0]
    ),
    All = lists:sort([{-Sum, First, Id, Cells} || {Id, {First, Sum, Cells}} <- maps:to_list(Seen)]),
    {Largest, _} = lists:foldl(
        fun({_, First, Id, Cells}, {Some, Left}) when Left >= Cells ->
                {[{First, Id} | Some], Left - Cells - ?CELLS_A_BAND};
           (_, {Some, _}) ->
                {Some, 0}
        end, {[], ?CELLS * length(Columns)}, All),
    {[Id || {_, Id} <- lists:sort(Largest)], length(All) - length(Largest)}.

members(Size) -> max(0.0, min(?MAX_MEMBERS, finite(Size))).

sizes_in_order(Sizes, Ids, Others) ->
    ById = maps:from_list(Sizes),
    Known = [maps:get(Id, ById, 0.0) || Id <- Ids],
    Rest = lists:sum(maps:values(ById)) - lists:sum(Known),
    Known ++ [max(0.0, Rest) || Others > 0].

%% Returns each band with its lower and its upper edge.
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

%% Gives each band the next colour that no band right below it has. `Tops' has the colour of the
%% highest band so far in each generation.
coloured(Bands) ->
    {Drawn, _} = lists:mapfoldl(fun colour/2, {1, #{}}, Bands),
    Drawn.

colour({others, Lower, Upper}, Acc) ->
    {{0, others, Lower, Upper}, Acc};
colour({Id, Lower, Upper}, {Next, Tops}) ->
    Here = [G || {{G, Y}, {_, High}} <- lists:zip(Lower, Upper), High > Y],
    Below = lists:usort([Colour || G <- Here, #{G := Colour} <- [Tops]]),
    Free = (lists:seq(Next, ?COLOURS) ++ lists:seq(1, Next - 1)) -- Below,
    Colour = hd(Free ++ [Next]),
    NewTops = maps:merge(Tops, maps:from_keys(Here, Colour)),
    {{Colour, Id, Lower, Upper}, {Colour rem ?COLOURS + 1, NewTops}}.

%% ---------------------------------------------------------------------------------------------
%% Drawing a band
%% ---------------------------------------------------------------------------------------------

draw_band({Colour, Id, Lower, Upper}, Lives, Plot) ->
    {Low, High} = lists:unzip(alive(lists:zip(Lower, Upper))),
    Outline = [p(at(Point, Plot)) || Point <- High ++ lists:reverse(Low)],
    Attributes = [{class, ["cb-band cb-b", integer_to_list(Colour)]},
                  {d, ["M", lists:join("L", Outline), "Z"]}],
    [tag(path, Attributes, tag(title, [], about(Id, Lives))), "\n"].

about(others, _) ->
    "smaller species together";
about(Id, Lives) ->
    #{Id := {First, Last, Most}} = Lives,
    ["species ", escape(clip(Id, 40)), ": generations ", short(First), <<"–"/utf8>>, short(Last),
     ", at most ", short(Most)].

%% Cuts a band to its life: from the generation before its first member to the one after its last.
alive(Pairs) ->
    lists:reverse(from_birth(lists:reverse(from_birth(Pairs)))).

from_birth(Pairs) ->
    case lists:splitwith(fun({{_, A}, {_, B}}) -> B =< A end, Pairs) of
        {[], Rest} -> Rest;
        {Before, Rest} -> [lists:last(Before) | Rest]
    end.

%% Writes the name of a species where its band is thickest, if the band is thick enough over the
%% width of the name.
band_label({_, others, _, _}, _) ->
    [];
band_label({_, Id, Lower, Upper}, #{left := Left, right := Right} = Plot) ->
    Name = clip(Id, 12),
    Edges = [{X, A, B} || {L, U} <- lists:zip(Lower, Upper),
                          {X, A} <- [at(L, Plot)], {_, B} <- [at(U, Plot)]],
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

windows(List, Size) ->
    [lists:sublist(List, I, Size) || I <- lists:seq(1, max(0, length(List) - Size + 1))].
