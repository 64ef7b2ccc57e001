%% @doc Who sent how much to one node, as plain SVG text: a mesh as that node sees it.
%%
%% Like all of Cambrian's pictures it is self-contained, says in words what it shows, and is bounded however many there are.
-module(cambrian_flow).

-import(cambrian_pen, [fit/3, n/1, p/1, tag/2, tag/3, words/6]).
-import(cambrian_text, [clip/2, counted/2, decimal/2, escape/1, short/1]).

-export([draw/3]).
-export_type([here/0, sender/0, opts/0]).

-type here() :: #{name := cambrian_text:text(), note => cambrian_text:text()}.
-type sender() :: #{name := cambrian_text:text(), alive := boolean(), count := non_neg_integer(), taken := non_neg_integer(),
                    last => boolean()}.
%% `count' came from it, `taken' of these were of use; `last' says whether the last one was.

-type opts() :: #{title => cambrian_text:text(), width => pos_integer(), height => pos_integer(), embed => boolean()}.

-define(MAX_SENDERS, 16).
-define(HERE, 15).
-define(SENDER, 8).

%% @doc Draws a node in the middle of those that send to it.
%%
%% An arrow is as wide as much came along it, and in colour if the last that came was taken. Who is silent by now is dashed.
%% Of more than 16 senders the first are drawn.
%%
%% ```
%% 1> Svg = cambrian_flow:draw(#{name => <<"here">>, note => <<"published 3">>},
%%                             [#{name => <<"nairobi">>, alive => true, count => 5, taken => 2, last => true},
%%                              #{name => <<"lima">>, alive => false, count => 0, taken => 0}], #{}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"2 senders around here: nairobi sent 5, 2 taken; lima sent 0, silent.">>]}
%% '''
-spec draw(here(), [sender()], opts()) -> iodata().
draw(Here, Senders, Opts) ->
    Shown = lists:sublist(Senders, ?MAX_SENDERS),
    {Width, Height} = Size = {maps:get(width, Opts, 720), maps:get(height, Opts, 360)},
    Top = cambrian_pen:head_height(Opts),
    Centre = {Width / 2, (Top + Height) / 2},
    %% names stand above and below
    Reach = {Width / 2 - 70, (Height - Top) / 2 - 42},
    Placed = [{Sender, around(I, length(Shown), Centre, Reach)} || {I, Sender} <- lists:enumerate(0, Shown)],
    Most = lists:max([1 | [Count || #{count := Count} <- Shown]]),
    cambrian_pen:frame("flow", "Who sent what", summary(Here, Shown, length(Senders) - length(Shown)), Size, Opts, [
        tag(g, [{class, "cb-flows"}], ["\n", [arrow(Sender, At, Centre, Most) || {Sender, At} <- Placed]]), "\n",
        [sender(Sender, At, Centre, Width) || {Sender, At} <- Placed],
        here(Here, Centre)
    ]).

%% What the picture says to somebody who cannot see it.
summary(#{name := Name}, Senders, Left) ->
    Each = [[clip(Sender, 60), " sent ", short(Count), [[", ", short(Taken), " taken"] || Taken > 0],
             [", silent" || not Alive]]
            || #{name := Sender, count := Count, taken := Taken, alive := Alive} <- Senders],
    case Each of
        [] -> ["Nobody around ", clip(Name, 60), "."];
        _ -> [counted(length(Senders), "sender"), " around ", clip(Name, 60), ": ", lists:join("; ", Each),
              [["; without ", integer_to_list(Left), " more"] || Left > 0], "."]
    end.

%% From the left on, so that two are side by side and not one above the other.
around(Index, Count, {X, Y}, {Across, Down}) ->
    Angle = math:pi() + 2 * math:pi() * Index / max(1, Count),
    {X + Across * math:cos(Angle), Y + Down * math:sin(Angle)}.

arrow(#{count := 0} = Sender, At, Centre, _Most) ->
    {From, To} = between(At, Centre),
    titled(Sender, tag(path, [{class, "cb-grid"}, {d, ["M", p(From), "L", p(To)]}]));
arrow(#{count := Count, taken := Taken} = Sender, At, Centre, Most) ->
    {From, {X, Y} = To} = between(At, Centre),
    Wide = 1.2 + 4.8 * math:log(1 + Count) / math:log(1 + Most),
    {Line, Head} = case Sender of #{last := true} -> {"cb-pos", "cb-fill"}; _ -> {"cb-plain", "cb-wedge"} end,
    {Dx, Dy} = direction(At, Centre),
    Long = 6 + 1.5 * Wide,
    Tip = {X + Dx * Long, Y + Dy * Long},
    Side = 2.5 + Wide,
    {MiddleX, MiddleY} = {(element(1, From) + X) / 2, (element(2, From) + Y) / 2},
    titled(Sender, [
        tag(path, [{class, Line}, {'stroke-width', decimal(Wide, 2)}, {d, ["M", p(From), "L", p(To)]}]),
        tag(path, [{class, Head}, {d, ["M", p(Tip), "L", p({X - Dy * Side, Y + Dx * Side}),
                                       "L", p({X + Dy * Side, Y - Dx * Side}), "Z"]}]),
        beside({MiddleX, MiddleY}, Dx, Wide, [short(Count), [[" · ", short(Taken), " taken"] || Taken > 0]])
    ]).

%% Above a line that runs across, to the right of one that runs down.
beside({X, Y}, Dx, Wide, Text) when abs(Dx) > 0.6 -> words(X, Y - Wide / 2 - 5, "middle", "cb-halo", 11, Text);
beside({X, Y}, _Dx, Wide, Text) -> words(X + Wide / 2 + 6, Y + 4, "start", "cb-halo", 11, Text).

titled(#{name := Name, count := Count, taken := Taken}, Drawn) ->
    Title = [escape(clip(Name, 100)), ": ", short(Count), " came, ", short(Taken), " taken"],
    [tag(g, [{class, "cb-flow"}], [tag(title, [], Title), Drawn]), "\n"].

%% From the edge of one circle to where the head of the arrow begins at the other.
between({X, Y} = At, {CentreX, CentreY} = Centre) ->
    {Dx, Dy} = direction(At, Centre),
    {{X + Dx * (?SENDER + 4), Y + Dy * (?SENDER + 4)}, {CentreX - Dx * (?HERE + 20), CentreY - Dy * (?HERE + 20)}}.

direction({X0, Y0}, {X1, Y1}) ->
    Length = max(1.0, math:sqrt((X1 - X0) * (X1 - X0) + (Y1 - Y0) * (Y1 - Y0))),
    {(X1 - X0) / Length, (Y1 - Y0) / Length}.

sender(#{name := Name, alive := Alive}, {X, Y}, {_, CentreY}, Width) ->
    Class = case Alive of true -> []; false -> [{class, "cb-off"}] end,
    Down = case Y < CentreY - 1 of true -> -?SENDER - 7; false -> ?SENDER + 17 end,
    Drawn = [tag(title, [], [escape(clip(Name, 100)), [", silent" || not Alive]]),
             tag(circle, Class ++ [{cx, n(X)}, {cy, n(Y)}, {r, n(?SENDER)}]),
             words(X, Y + Down, "middle", case Alive of true -> "cb-halo"; false -> "cb-halo cb-mute" end, 12,
                   fit(Name, 2 * min(X, Width - X) - 4, 12))],
    [tag(g, [{class, "cb-node"}], Drawn), "\n"].

here(#{name := Name} = Here, {X, Y}) ->
    [tag(g, [{class, "cb-node cb-input"}], [
        tag(circle, [{cx, n(X)}, {cy, n(Y)}, {r, n(?HERE)}]),
        words(X, Y + ?HERE + 17, "middle", "cb-end cb-halo", 12, clip(Name, 40)),
        [words(X, Y + ?HERE + 32, "middle", "cb-mute cb-halo", 11, clip(Note, 60)) || #{note := Note} <- [Here]]
    ]), "\n"].
