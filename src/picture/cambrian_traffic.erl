%% @doc Draws how much other nodes of a mesh sent to one node, as plain SVG text.
%%
%% Like all pictures of Cambrian, it is self-contained, describes itself in words, and has a limited
%% size however many senders there are.
-module(cambrian_traffic).

-import(cambrian_svg_element, [fit/3, n/1, p/1, tag/2, tag/3, words/6]).
-import(cambrian_text, [clip/2, counted/2, decimal/2, escape/1, short/1]).

-export([draw/3]).
-export_type([here/0, sender/0, opts/0]).

-type here() :: #{name := cambrian_text:text(), note => cambrian_text:text()}.
-type sender() :: #{name := cambrian_text:text(), alive := boolean(), count := non_neg_integer(),
                    taken := non_neg_integer(), last => boolean()}.
%% The sender sent `count' genotypes, and the node took `taken' of them; `last' says whether it took
%% the last one.

-type opts() :: #{title => cambrian_text:text(), width => pos_integer(), height => pos_integer(),
                  embed => boolean()}.

-define(MAX_SENDERS, 16).
-define(HERE, 15).
-define(SENDER, 8).
%% The least height of a row with a name, an arrow and numbers; and the height of the text below the
%% node.
-define(ROW, 36).
-define(FOOT, 40).

%% @doc Draws a node between two columns of its senders.
%%
%% The width of an arrow follows the count, and the arrow is coloured if the last genotype was
%% taken. A sender that is silent now is dashed. The picture shows the first 16 senders, or fewer if
%% there is not enough height.
%%
%% ```
%% 1> Nairobi = #{name => <<"nairobi">>, alive => true, count => 5, taken => 2, last => true}.
%% 2> Lima = #{name => <<"lima">>, alive => false, count => 0, taken => 0}.
%% 3> Svg = cambrian_traffic:draw(#{name => <<"here">>, note => <<"published 3">>},
%%                                [Nairobi, Lima], #{}).
%% 4> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"2 senders around here: nairobi sent 5, 2 taken; lima sent 0, silent.">>]}
%% '''
-spec draw(here(), [sender()], opts()) -> iodata().
draw(Here, Senders, Opts) ->
    ok = cambrian_picture_options:ensure(?MODULE, draw, 3, traffic, Opts),
    {Width, Height} = Size = {maps:get(width, Opts, 720), maps:get(height, Opts, 360)},
    Top = cambrian_svg_element:head_height(Opts),
    Tall = Height - Top - ?FOOT,
    Shown = lists:sublist(Senders, min(?MAX_SENDERS, 2 * max(1, trunc(Tall / ?ROW)))),
    Rows = max(1, (length(Shown) + 1) div 2),
    Y = fun(Row) -> Top + Tall * (Row - 0.5) / Rows end,
    Most = lists:max([1 | [Count || #{count := Count} <- Shown]]),
    Summary = summary(Here, Shown, length(Senders) - length(Shown)),
    cambrian_svg_element:frame("flow", "Who sent what", Summary, Size, Opts, [
        here(Here, Width / 2, Y(1), Y(Rows)),
        [sender(Sender, Side, Y((I + 1) div 2), Width, Most)
         || {I, Sender} <- lists:enumerate(Shown),
            Side <- [case I rem 2 of 1 -> left; 0 -> right end]]
    ]).

%% Describes the picture for readers who cannot see it.
summary(#{name := Name}, Senders, Left) ->
    Each = [[clip(Sender, 60), " sent ", short(Count),
             [[", ", short(Taken), " taken"] || Taken > 0], [", silent" || not Alive]]
            || #{name := Sender, count := Count, taken := Taken, alive := Alive} <- Senders],
    case Each of
        [] -> ["Nobody around ", clip(Name, 60), "."];
        _ -> [counted(length(Senders), "sender"), " around ", clip(Name, 60), ": ",
              lists:join("; ", Each),
              [["; without ", integer_to_list(Left), " more"] || Left > 0], "."]
    end.

%% Draws a row: the name above an arrow to the middle, and the numbers below it.
sender(#{name := Name, alive := Alive, count := Count, taken := Taken} = Sender, Side, Y, Width,
       Most) ->
    {X, Anchor, Forward} = case Side of
        left -> {?SENDER + 6, "start", 1};
        right -> {Width - ?SENDER - 6, "end", -1}
    end,
    Beside = X + Forward * (?SENDER + 6),
    MaxWidth = Width / 2 - ?HERE - 3 * ?SENDER,
    Class = case Alive of true -> "cb-halo"; false -> "cb-halo cb-mute" end,
    Title = [escape(clip(Name, 100)), [", silent" || not Alive], ": ", short(Count), " came, ",
             short(Taken), " taken"],
    Numbers = unicode:characters_to_binary(
        [short(Count), [[" · ", short(Taken), " taken"] || Taken > 0]]),
    [
        tag(g, [{class, "cb-flow"}], [
            tag(title, [], Title),
            arrow(Sender, {X + Forward * (?SENDER + 4), Y},
                  {Width / 2 - Forward * (?HERE + 2), Y}, Forward, Most)
        ]),
        "\n",
        tag(g, [{class, "cb-node"}], [
            tag(title, [], Title),
            tag(circle, [{class, "cb-off"} || not Alive]
                        ++ [{cx, n(X)}, {cy, n(Y)}, {r, n(?SENDER)}]),
            words(Beside, Y - 8, Anchor, Class, 12, fit(Name, MaxWidth, 12)),
            [words(Beside, Y + 16, Anchor, "cb-mute cb-halo", 11, fit(Numbers, MaxWidth, 11))
             || Count > 0]
        ]),
        "\n"
    ].

arrow(#{count := 0}, From, To, _, _) ->
    tag(path, [{class, "cb-grid"}, {d, ["M", p(From), "L", p(To)]}]);
arrow(#{count := Count} = Sender, From, {X, Y} = Tip, Forward, Most) ->
    Wide = 1.2 + 4.8 * math:log(1 + Count) / math:log(1 + Most),
    {Line, Head} = case Sender of
        #{last := true} -> {"cb-pos", "cb-fill"};
        _ -> {"cb-plain", "cb-wedge"}
    end,
    Neck = X - Forward * (6 + 1.5 * Wide),
    Side = 2.5 + Wide,
    [
        tag(path, [{class, Line}, {'stroke-width', decimal(Wide, 2)},
                   {d, ["M", p(From), "L", p({Neck, Y})]}]),
        tag(path, [{class, Head},
                   {d, ["M", p(Tip), "L", p({Neck, Y - Side}), "L", p({Neck, Y + Side}), "Z"]}])
    ].

%% Draws the receiving node, tall enough for all arrows.
here(#{name := Name} = Here, X, From, To) ->
    Box = [{x, n(X - ?HERE)}, {y, n(From - ?HERE)}, {width, n(2 * ?HERE)},
           {height, n(To - From + 2 * ?HERE)}, {rx, n(?HERE)}],
    [tag(g, [{class, "cb-node cb-input"}], [
        tag(rect, Box),
        words(X, To + ?HERE + 17, "middle", "cb-end cb-halo", 12, clip(Name, 40)),
        [words(X, To + ?HERE + 32, "middle", "cb-mute cb-halo", 11, clip(Note, 60))
         || #{note := Note} <- [Here]]
    ]), "\n"].
