%% Reads SVG pictures, for the tests of the modules that draw them.
-module(cambrian_drawing).

-include_lib("eunit/include/eunit.hrl").
-include_lib("xmerl/include/xmerl.hrl").

-export([bytes/1, has/2, svg/1, only_itself/1, ids/2, attribute/2, texts/2, translation/1,
         number/1]).
-export([box/1, boxes/1, overlaps/1]).

bytes(Iodata) -> iolist_to_binary(Iodata).

has(Text, Part) -> binary:match(Text, Part) =/= nomatch.

svg(Iodata) ->
    %% xmerl takes a list of bytes and reads it as UTF-8.
    {Svg, []} = xmerl_scan:string(binary_to_list(bytes(Iodata)), [{quiet, true}]),
    ?assertEqual(svg, Svg#xmlElement.name),
    Svg.

%% Fails if the picture loads anything from elsewhere.
only_itself(Iodata) ->
    Rest = binary:replace(bytes(Iodata), <<"http://www.w3.org/2000/svg">>, <<>>, [global]),
    [?assertNot(has(Rest, Bad))
     || Bad <- [<<"http">>, <<"url(">>, <<"@import">>, <<"<script">>, <<"href">>]].

ids(Svg, Name) ->
    Found = xmerl_xpath:string("//g[@" ++ atom_to_list(Name) ++ "]", Svg),
    lists:sort([list_to_integer(attribute(Name, E)) || E <- Found]).

attribute(Name, #xmlElement{attributes = Attributes}) ->
    [Value] = [V || #xmlAttribute{name = N, value = V} <- Attributes, N =:= Name],
    Value.

texts(Path, Svg) ->
    [lists:append([V || #xmlText{value = V} <- Content])
     || #xmlElement{content = Content} <- xmerl_xpath:string(Path, Svg)].

translation(Element) ->
    "translate(" ++ Rest = attribute(transform, Element),
    [X, Y] = string:split(string:trim(Rest, trailing, ")"), " "),
    {number(X), number(Y)}.

number(Text) ->
    try list_to_float(Text) catch error:badarg -> list_to_integer(Text) end.

%% The pairs of texts that overlap.
overlaps(Svg) ->
    Boxes = lists:enumerate(boxes(Svg)),
    [{A, B} || {I, {A, BoxA}} <- Boxes, {J, {B, BoxB}} <- Boxes, I < J, overlap(BoxA, BoxB)].

overlap({Left, Top, Right, Bottom}, {Left2, Top2, Right2, Bottom2}) ->
    Left < Right2 andalso Left2 < Right andalso Top < Bottom2 andalso Top2 < Bottom.

boxes(Svg) -> [box(Text) || Text <- xmerl_xpath:string("//text", Svg)].

%% A text and its left, upper, right and lower edge, in a font of usual width.
box(#xmlElement{content = Content} = Text) ->
    Words = lists:append([V || #xmlText{value = V} <- Content]),
    [X, Y, Size] = [number(attribute(Name, Text)) || Name <- [x, y, 'font-size']],
    Wide = 0.54 * Size * string:length(Words),
    Left =
        case [V || #xmlAttribute{name = 'text-anchor', value = V} <- Text#xmlElement.attributes] of
        ["end"] -> X - Wide;
        ["middle"] -> X - Wide / 2;
        [] -> X
    end,
    {Words, {Left, Y - 0.75 * Size, Left + Wide, Y + 0.2 * Size}}.
