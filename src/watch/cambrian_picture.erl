%% @doc Draws a network, and fitness and species over the generations, as SVG.
%%
%% You can write the text of a picture to a file as it is. A picture loads nothing and follows the
%% reader's light or dark setting. The same story gives the same bytes. A wrong or unknown option is
%% a `badarg', whose explanation names it.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, Recorder} = cambrian_recorder:start(P).
%% 3> {ok, _} = cambrian_population:step(P, 20).
%% 4> Story = cambrian_recorder:read(Recorder).
%% 5> {ok, #{champion := Champion}} = cambrian_population:best(P).
%% 6> [<<"<svg", _/binary>>, <<"<svg", _/binary>>, <<"<svg", _/binary>>] =
%%        [cambrian_picture:network(Champion), cambrian_picture:fitness(Story),
%%         cambrian_picture:species(Story)].
%% 7> ok = cambrian_recorder:stop(Recorder).
%% 8> ok = cambrian_population:stop(P).
%% '''
-module(cambrian_picture).

-export([network/1, network/2, dot/1, fitness/1, fitness/2, species/1, species/2]).
-export([check_options/2]).
-export_type([source/0, options/0]).

-type source() :: [cambrian_report:generation()] | cambrian_story:source()
                | [cambrian_report:population()].
%% Generations of {@link cambrian_population:history/1}; a population as it is now; a story of
%% {@link cambrian_recorder:read/1}; or a list of populations and stories. The populations of a run
%% for {@link cambrian_report:html/1} are a source too.

-type options() :: cambrian_chart:opts().
%% `width' and `height' in pixels, `title', `x_label', `y_label', and the other options of
%% {@link cambrian_chart:chart/2}.

%% @doc Draws the network of a genotype. The same as {@link network/2} without options.
-spec network(cambrian_genotype:genotype()) -> binary().
network(Genotype) -> network(Genotype, #{}).

%% @doc Draws the network of a genotype, from the inputs at the left to the outputs at the right.
%% Options are `width', `title', and `labels' of inputs and outputs.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Labels = #{inputs => ["x", "angle"], outputs => ["force"]}.
%% 3> Svg = cambrian_picture:network(G, #{labels => Labels}).
%% 4> length(binary:matches(Svg, <<"angle">>)) > 0.
%% true
%% '''
-spec network(cambrian_genotype:genotype(), cambrian_svg:network_opts()) -> binary().
network(Genotype, Options) ->
    iolist_to_binary(cambrian_svg:network(cambrian_genotype:to_map(Genotype), Options)).

%% @doc Writes the network of a genotype as text for Graphviz.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> hd(binary:split(cambrian_picture:dot(G), <<";">>)).
%% <<"digraph network {\n  rankdir=LR">>
%% 3> length(binary:matches(cambrian_picture:dot(G), <<" -> ">>)).
%% 2
%% '''
-spec dot(cambrian_genotype:genotype()) -> binary().
dot(Genotype) -> iolist_to_binary(cambrian_svg:dot(cambrian_genotype:to_map(Genotype))).

%% @doc Draws the best and the mean fitness of each generation. The same as {@link fitness/2}
%% without options.
-spec fitness(source()) -> binary().
fitness(Source) -> fitness(Source, #{}).

%% @doc Draws the best and the mean fitness of each generation, of one population or of several.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 20).
%% 3> History = cambrian_population:history(P).
%% 4> Svg = cambrian_picture:fitness(History, #{title => "XOR", width => 480}).
%% 5> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"fitness over generation: best ends at 3.896; mean ends at 2.952.">>]}
%% 6> ok = cambrian_population:stop(P).
%% '''
-spec fitness(source(), options()) -> binary().
fitness(Source, Options) ->
    Default = #{title => "Fitness", x_label => "generation", y_label => "fitness"},
    Lines = [lines(I, Story) || {I, Story} <- lists:enumerate(stories(Source))],
    iolist_to_binary(cambrian_chart:chart(lists:append(Lines), maps:merge(Default, Options))).

%% The best comes first of the two lines, because marks stand on it.
lines(Group, #{history := History} = Story) ->
    {Best, Mean, Label} = case Story of
                              #{name := Name} when not is_reference(Name) ->
                                  {Name, [cambrian_text:text(Name), ", mean"], false};
                              #{} ->
                                  {<<"best">>, <<"mean">>, true}
                          end,
    [#{name => Best, group => Group, weight => bold,
       points => [{G, B} || #{generation := G, best := B} <- History]},
     #{name => Mean, group => Group, weight => light, label => Label,
       points => [{G, M} || #{generation := G, mean := M} <- History]}].

%% @doc Draws the species of each generation. The same as {@link species/2} without options.
-spec species(source()) -> binary().
species(Source) -> species(Source, #{}).

%% @doc Draws the species of each generation of one population. Each species is a band, whose height
%% is its number of members.
%%
%% A {@link cambrian_recorder} keeps the sizes of species. A source that has only the number of
%% species, such as {@link cambrian_population:history/1}, gives a line.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, Recorder} = cambrian_recorder:start(P).
%% 3> {ok, _} = cambrian_population:step(P, 20).
%% 4> [re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}])
%%     || Svg <- [cambrian_picture:species(cambrian_recorder:read(Recorder)),
%%                cambrian_picture:species(P)]].
%% [{match,[<<"37 species over 20 generations; 34 at the end.">>]},
%%  {match,[<<"species over generation: species ends at 34.">>]}]
%% 5> ok = cambrian_recorder:stop(Recorder).
%% 6> ok = cambrian_population:stop(P).
%% '''
-spec species(source(), options()) -> binary().
species(Source, Options) ->
    [#{history := History}] = stories(Source),
    Default = #{title => "Species", x_label => "generation"},
    iolist_to_binary(
      case [{Generation, Sizes} || #{generation := Generation, sizes := Sizes} <- History] of
          [] ->
              Counts = [{Generation, Count}
                        || #{generation := Generation, species := Count} <- History],
              Line = #{name => <<"species">>, points => Counts, label => Counts =/= []},
              cambrian_chart:chart([Line], maps:merge(Default#{y_label => "species"}, Options));
          Sizes ->
              cambrian_bands:stacked(Sizes, maps:merge(Default#{y_label => "members"}, Options))
      end).

%% @private Whether the options of a picture are right, for languages with errors of their own.
-spec check_options(network | chart, term()) -> ok | {error, cambrian_options:error()}.
check_options(Picture, Options) -> cambrian_picture_options:check(Picture, Options).

stories([]) -> [#{history => []}];
stories([#{generation := _} | _] = History) -> [#{history => History}];
stories(Source) ->
    case cambrian_story:all(Source) of
        [_] = Alone -> Alone;
        Several -> [Story#{name := Name} || {Name, Story} <- cambrian_story:named(Several)]
    end.
