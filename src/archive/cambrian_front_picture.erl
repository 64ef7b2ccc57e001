%% @private
%% Draws a front as plain SVG text: points for two objectives, or lines across parallel axes.
-module(cambrian_front_picture).

-import(cambrian_axes, [at/2]).
-import(cambrian_svg_element, [fit/3, n/1, p/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/2, counted/2, escape/1, short/1]).

-export([draw/2, default_label/1]).

%% Networks that are drawn, at most.
-define(NETWORKS, 400).
%% Axes side by side, at most, and their least distance.
-define(AXES, 16).
-define(STEP, 24).
%% Objectives in words, at most.
-define(NAMED, 8).
-define(MARGIN, 14).
%% Room for a line of text.
-define(TEXT, 20).
%% Room for the name of the champion at its end.
-define(NAME, 70).
-define(CHAMPION, <<"champion">>).
%% Whole numbers below this one are counts.
-define(COUNT, 1.0e9).
%% Beyond these numbers the axes get no room around the points.
-define(LARGE, 1.0e300).

-spec draw(cambrian_front:front(), cambrian_front:picture_options()) -> iodata().
draw(Front, #{champion := Champion} = Opts) when not is_binary(Champion) ->
    draw(Front, Opts#{champion := cambrian_genotype:id(Champion)});
draw(Front, Opts) ->
    Shown = shown(Front, Opts),
    Names = names(Front, Opts),
    View = #{shown => Shown, names => Names,
             champion => [One || One <- Shown, is_marked(One, Opts)],
             count => max(length(Front), maps:get(count, Opts, 0)),
             width => max(100, maps:get(width, Opts, 720))},
    {Size, Body} = case length(Names) of
                       Two when Two =:= 2; Shown =:= [] -> scatter(View, Opts);
                       _ -> parallel(View, Opts)
                   end,
    cambrian_svg_element:frame("front", "Front", summary(Front, View), Size, Opts, Body).

%% Evenly through the front, and the champion.
shown(Front, Opts) ->
    Some = cambrian_spacing:evenly(Front, ?NETWORKS),
    IsMarked = fun(One) -> is_marked(One, Opts) end,
    case lists:any(IsMarked, Some) of
        true -> Some;
        false -> Some ++ lists:sublist(lists:filter(IsMarked, Front), 1)
    end.

is_marked(#{genotype := Genotype}, #{champion := Id}) -> cambrian_genotype:id(Genotype) =:= Id;
is_marked(_, _) -> false.

%% A name for each objective.
names([], _) -> [];
names([#{objectives := Objectives} | _], Opts) ->
    Count = length(Objectives),
    Given = [clip(Label, 60) || Label <- lists:sublist(maps:get(labels, Opts, []), Count)],
    Unnamed = lists:seq(length(Given) + 1, Count),
    Given ++ lists:map(fun default_label/1, Unnamed).

%% @doc The name of an objective without one.
-spec default_label(At :: pos_integer()) -> binary().
default_label(At) -> <<"objective ", (integer_to_binary(At))/binary>>.

%% Describes the picture for readers who cannot see it.
summary([], _) -> "No networks yet.";
summary(Front, #{names := Names, champion := Champion, count := Count}) ->
    Ranges = [[Name, " from ", short(Low), " to ", short(High)]
              || {Name, {Low, High}} <- lists:sublist(lists:zip(Names, ranges(Front)), ?NAMED)],
    Others = length(Names) - length(Ranges),
    [counted(Count, "network"), ": ", lists:join("; ", Ranges),
     [["; and ", counted(Others, "more objective")] || Others > 0],
     ". More is better in each.",
     [[" The champion: ", values(One, Names, fun cambrian_text:short/1), "."] || One <- Champion]].

values(#{objectives := Objectives}, Names, Write) ->
    lists:join(", ", lists:sublist([[Name, $\s, Write(Value)]
                                    || {Name, Value} <- lists:zip(Names, Objectives)], ?NAMED)).

%% The lowest and the highest number of each objective.
ranges([#{objectives := First} | Front]) ->
    Wider = fun(X, {Low, High}) -> {min(X, Low), max(X, High)} end,
    lists:foldl(fun(#{objectives := Objectives}, Ranges) ->
                    lists:zipwith(Wider, Objectives, Ranges)
                end, [{X, X} || X <- First], Front).

title(One, Names) ->
    Values = values(One, Names, fun cambrian_text:exact/1),
    tag(title, [], escape(iolist_to_binary(Values))).

%% Says how much of a front is not drawn.
part(#{shown := Shown, count := Count}) when length(Shown) < Count ->
    [[short(length(Shown)), " of ", short(Count), " are drawn"]];
part(_) -> [].

%%% ---- two objectives ---------------------------------------------------------------------

%% An empty front has two axes as well.
scatter(#{shown := Shown, names := Names, champion := Champion, width := Width} = View, Opts) ->
    [XName, YName] = case Names of
                         [] -> [<<>>, <<>>];
                         [First, Second] -> [fit(First, Width - 5 * ?MARGIN, 11), Second]
                     end,
    Points = [{X, Y} || #{objectives := [X, Y]} <- Shown],
    Better = <<"better ↗"/utf8>>,
    Axes = (maps:with([title, embed], Opts))#{
        width => Width, height => max(280, min(460, round(0.62 * Width))),
        x_label => XName, cover => around(Points),
        y_label => fit(YName, Width - text_width(Better, 11) - 3 * ?MARGIN, 11)},
    IsWhole = lists:all(fun({X, _}) -> abs(X) < ?COUNT andalso X == trunc(X) end, Points),
    Look = #{whole => IsWhole, from_zero => false, right => ?MARGIN},
    Plot = #{size := Size, left := Left, right := Right, top := Top, bottom := Bottom} =
        cambrian_axes:plot(Points, Look, Axes),
    {Size, [cambrian_axes:draw(Plot, Axes), [worse(Points, Plot) || Points =/= []],
            tag(g, [{class, "cb-c1"}], [point(One, Names, radius(Shown), Plot) || One <- Shown]),
            "\n", [champion(One, Names, Plot) || One <- Champion],
            words(Right, Top - 13, "end", "cb-mute", 11, Better),
            [words(Left, Bottom + 33, "start", "cb-mute", 11,
                   fit(Part, max(20, Right - Left - text_width(XName, 11) - 10), 11))
             || Part <- part(View)]]}.

%% The corners of a box around the points, with some room.
around([]) -> [];
around(Points) ->
    {Xs, Ys} = lists:unzip(Points),
    [Left, Low] = [lists:min(Values) - room(Values) || Values <- [Xs, Ys]],
    [Right, High] = [lists:max(Values) + room(Values) || Values <- [Xs, Ys]],
    [{Left, Low}, {Right, High}].

room(Values) ->
    {Low, High} = {lists:min(Values), lists:max(Values)},
    case Low > -?LARGE andalso High < ?LARGE of
        true -> 0.04 * (High - Low);
        false -> 0.0
    end.

radius(Shown) when length(Shown) =< 100 -> "3.5";
radius(_) -> "2.5".

point(#{objectives := Objectives} = One, Names, Radius, Plot) ->
    {X, Y} = at(list_to_tuple(Objectives), Plot),
    tag(g, [], [title(One, Names),
                tag(circle, [{class, "cb-spot"}, {cx, n(X)}, {cy, n(Y)}, {r, Radius}])]).

%% The area of all that some network of the front is better than, in steps.
worse(Points, #{left := Left, bottom := Bottom} = Plot) ->
    [{First, _} | Others] = Corners = [at(Corner, Plot) || Corner <- corners(Points)],
    Ends = [X || {X, _} <- Others] ++ [Left],
    Steps = ["M", p({First, Bottom}),
             [["V", n(Y), "H", n(End)] || {{_, Y}, End} <- lists:zip(Corners, Ends)]],
    Corner = ["L", p({Left, Bottom}), "Z"],
    [tag(path, [{class, "cb-fill"}, {'fill-opacity', "0.08"}, {d, [Steps, Corner]}]),
     tag(g, [{class, "cb-line cb-light cb-c1"}], tag(path, [{d, Steps}])), "\n"].

%% From the right, each point that is higher than all before it.
corners(Points) ->
    Descending = lists:reverse(lists:sort(Points)),
    {Corners, _} = lists:foldl(fun({_, Y} = Point, {Kept, Most}) when Most =:= none; Y > Most ->
                                       {[Point | Kept], Y};
                                  (_, Acc) -> Acc
                               end, {[], none}, Descending),
    lists:reverse(Corners).

champion(#{objectives := Objectives} = One, Names, #{left := Left, right := Right} = Plot) ->
    {X, Y} = at(list_to_tuple(Objectives), Plot),
    Wide = text_width(?CHAMPION, 12) + 10,
    %% no other point of a front is above and to the right of it, or below and to the left
    {Down, Anchor, Across} = case {X + Wide =< Right, X - Wide >= Left} of
                                 {false, true} -> {20, "end", -8};
                                 _ -> {-9, "start", 8}
                             end,
    [tag(g, [{class, "cb-mark cb-bold cb-c2"}],
         [title(One, Names),
          tag(circle, [{class, "cb-ring"}, {cx, n(X)}, {cy, n(Y)}, {r, "7"}]),
          tag(circle, [{class, "cb-spot"}, {cx, n(X)}, {cy, n(Y)}, {r, "3.5"}])]),
     tag(g, [{class, "cb-end cb-c2"}],
         words(X + Across, Y + Down, Anchor, "cb-halo", 12, ?CHAMPION)), "\n"].

%%% ---- more objectives --------------------------------------------------------------------

%% A line for each network, through its place on the axis of each objective.
parallel(#{shown := Shown, names := Names, champion := Champion, width := Width} = View, Opts) ->
    Top = cambrian_svg_element:head_height(Opts) + 2 * ?TEXT,
    Bottom = Top + 240,
    Right = Width - ?MARGIN - case Champion of [] -> 0; _ -> ?NAME end,
    Most = min(?AXES, 1 + max(0, trunc((Right - ?MARGIN) / ?STEP))),
    Axes = lists:sublist(lists:zip(Names, ranges(Shown)), Most),
    Plot = cambrian_parallel:plot(Axes, {?MARGIN, Right}, {Top, Bottom}),
    Numbers = fun(#{objectives := Objectives}) -> lists:sublist(Objectives, Most) end,
    Line = fun(One) ->
               tag(g, [], [title(One, Names), cambrian_parallel:line(Numbers(One), Plot)])
           end,
    {{Width, Bottom + 3 * ?TEXT + 4},
     [tag(g, [{class, "cb-line cb-c1"}, {opacity, opacity(Shown)}],
          [[Line(One), "\n"] || One <- Shown -- Champion]),
      [tag(g, [{class, "cb-line cb-bold cb-c2"}], Line(One)) || One <- Champion],
      cambrian_parallel:axes(Plot),
      [end_name(cambrian_parallel:end_of(Numbers(One), Plot)) || One <- Champion],
      words(?MARGIN, Bottom + 2 * ?TEXT + 8, "start", "", 12,
            fit(legend(View, Most), Width - 2 * ?MARGIN, 12))]}.

opacity(Shown) when length(Shown) =< 30 -> "0.7";
opacity(Shown) when length(Shown) =< 100 -> "0.45";
opacity(_) -> "0.25".

end_name({X, Y}) ->
    tag(g, [{class, "cb-end cb-c2"}], words(X + 5, Y + 4, "start", "cb-halo", 12, ?CHAMPION)).

legend(#{count := Count, names := Names} = View, Most) ->
    iolist_to_binary(
      [counted(Count, "network"), [[", ", Part] || Part <- part(View)], "; upwards is better",
       [["; the first ", integer_to_list(Most), " of ", counted(length(Names), "objective")]
        || length(Names) > Most]]).
