%% @private
%% The parts that the sections of a report are made of: headings, tables, and pictures for wide and
%% narrow screens.
-module(cambrian_report_html).

-import(cambrian_text, [escape/1, short/1]).

-export([section/3, both/3, details/2, row/2, rows/3, name/1]).

%% A table has at most so many rows. It says how many it does not show.
-define(MAX_ROWS, 2000).

%% @doc A section with its heading; none without a body.
-spec section(Id :: binary() | string(), Heading :: iodata(), Body :: iodata()) -> iodata().
section(_, _, []) ->
    [];
section(Id, Heading, Body) ->
    [
        <<"<section aria-labelledby=\"">>, Id, <<"\">\n<h2 id=\"">>, Id, <<"\">">>, Heading,
        <<"</h2>\n">>, Body, <<"</section>\n">>
    ].

%% @doc Draws a picture for a wide screen and one for a narrow screen: the style sheet shows one of
%% them.
-spec both(fun((Size) -> iodata()), Wide :: Size, Narrow :: Size) -> iodata().
both(Draw, Wide, Narrow) ->
    [<<"<div class=\"wide\">\n">>, Draw(Wide), <<"</div>\n<div class=\"narrow\">\n">>,
     Draw(Narrow), <<"</div>\n">>].

%% @doc A table that opens on demand.
-spec details(Summary :: iodata(), Rows :: iodata()) -> iodata().
details(Summary, Rows) ->
    [
        <<"<details><summary>">>, Summary, <<"</summary>\n<div class=\"scroll\"><table>\n">>, Rows,
        <<"</table></div></details>\n">>
    ].

%% @doc A row of a table, of cells `th' or `td'.
-spec row(string(), [Text | {num, Text} | {html, iodata()}]) -> iodata()
          when Text :: cambrian_text:text().
row(Tag, Cells) ->
    [<<"<tr>">>, [cell(Tag, Cell) || Cell <- Cells], <<"</tr>\n">>].

cell(Tag, {num, Text}) -> ["<", Tag, " class=\"n\">", minus(Text), "</", Tag, ">"];
cell(Tag, {html, Html}) -> ["<", Tag, ">", Html, "</", Tag, ">"];
cell(Tag, Text) -> ["<", Tag, ">", escape(Text), "</", Tag, ">"].

%% A true minus sign is as wide as a digit, so columns of numbers line up.
minus(Text) ->
    case escape(Text) of
        <<$-, Rest/binary>> -> [<<"−"/utf8>>, Rest];
        Other -> Other
    end.

%% @doc A row for each item of a table with so many columns.
-spec rows(fun((Item) -> iodata()), [Item], Columns :: pos_integer()) -> iodata().
rows(Row, Items, Columns) ->
    [lists:map(Row, lists:sublist(Items, ?MAX_ROWS)), more(length(Items) - ?MAX_ROWS, Columns)].

more(Count, Columns) when Count > 0 ->
    [<<"<tr><td colspan=\"">>, integer_to_list(Columns), <<"\">and ">>, short(Count),
     <<" more</td></tr>\n">>];
more(_, _) ->
    [].

%% @doc A name, which may be written in any direction: bdi keeps it from turning the words around
%% it.
-spec name(cambrian_text:text()) -> iodata().
name(Name) -> [<<"<bdi>">>, escape(Name), <<"</bdi>">>].
