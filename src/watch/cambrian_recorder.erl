%% @doc Keeps the story of a population, for a report: its generations, the genotypes that came in
%% with their senders, and the result.
-module(cambrian_recorder).
-behaviour(gen_server).

-export([start/1, start_link/1, read/1, latest/1, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([story/0]).

-type story() :: #{name := term(), task := atom(), seed := cambrian_genotype:seed(),
                    parameters := map(), history := [map()], received := [map()],
                    best => #{champion := binary(), fitness := float(),
                              generation := non_neg_integer(), atom() => term()},
                    result => #{champion := binary(), atom() => term()}, archive => binary(),
                    front => [#{genotype := binary(), objectives := [float()],
                                fitness := float()}]}.
%% Lists are oldest first. Genotypes are bytes, and an archive is, so that you can send a story to
%% another node.

-record(state, {info, history = [], received = [], best = undefined, result = undefined}).

%% A longer history keeps every second generation.
-define(MAX_HISTORY, 4000).

%% @doc Starts to record a population. The recorder outlives the population, until {@link stop/1}.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, R} = cambrian_recorder:start(P).
%% 3> {ok, _} = cambrian_population:step(P, 3).
%% 4> ok = cambrian_population:stop(P).
%% 5> length(maps:get(history, cambrian_recorder:read(R))).
%% 3
%% 6> ok = cambrian_recorder:stop(R).
%% '''
-spec start(cambrian_population:population()) -> {ok, pid()} | {error, {noproc, term()}}.
start(Population) -> started(gen_server:start(?MODULE, Population, [])).

%% @doc The same as {@link start/1}, linked to the caller.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, R} = cambrian_recorder:start_link(P).
%% 3> cambrian_recorder:stop(R).
%% ok
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec start_link(cambrian_population:population()) -> {ok, pid()} | {error, {noproc, term()}}.
start_link(Population) -> started(gen_server:start_link(?MODULE, Population, [])).

started({error, {shutdown, not_started}}) -> ok = cambrian_running:check();
started({error, {shutdown, Reason}}) -> {error, Reason};
started(Started) -> Started.

%% @doc Returns the story so far: at most 4,000 generations, chosen evenly, and the last 4,000
%% genotypes that came in.
%%
%% In a generation, `species' is the number of species, and `sizes' has their ids and sizes. `best'
%% is the last champion and `result' the result of the run, each if there is one. `archive' and
%% `front' are those of the result.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, R} = cambrian_recorder:start(P).
%% 3> {ok, _} = cambrian_population:step(P, 3).
%% 4> #{task := Task, seed := Seed, history := History} = cambrian_recorder:read(R).
%% 5> {Task, Seed, [{G, Best} || #{generation := G, best := Best} <- History]}.
%% {'xor',42,[{0,2.999837413430214},{1,2.999837413430214},{2,2.999837413430214}]}
%% 6> ok = cambrian_recorder:stop(R).
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec read(pid()) -> story().
read(Recorder) -> gen_server:call(Recorder, read).

%% @doc Returns the last generation, the last genotype that came in, and the result if there is one.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, R} = cambrian_recorder:start(P).
%% 3> {ok, _} = cambrian_population:step(P, 3).
%% 4> #{generation := Last, count := Count} = cambrian_recorder:latest(R).
%% 5> {maps:with([generation, best], Last), Count}.
%% {#{best => 2.999837413430214,generation => 2},0}
%% 6> ok = cambrian_recorder:stop(R).
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec latest(pid()) -> #{generation => map(), received => map(), count := non_neg_integer(),
                         result => map()}.
latest(Recorder) -> gen_server:call(Recorder, latest).

%% @doc Stops the recorder and drops its story. The population continues.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, R} = cambrian_recorder:start(P).
%% 3> cambrian_recorder:stop(R).
%% ok
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec stop(pid()) -> ok.
stop(Recorder) -> gen_server:stop(Recorder).

init(Population) ->
    try
        ok = cambrian_population:subscribe(Population),
        {ok, #state{info = cambrian_population:info(Population)}}
    catch
        %% A missing population is an error, but not a crash to log.
        error:{not_started, _} -> {stop, {shutdown, not_started}};
        exit:Reason -> {stop, {shutdown, Reason}}
    end.

handle_call(read, _From, #state{info = Info, history = History, received = Received} = State) ->
    Record = maps:with([name, task, seed, parameters], Info),
    Story = Record#{history => lists:reverse(History), received => lists:reverse(Received)},
    WithBest = with(best, State#state.best, Story),
    {reply, case State#state.result of
                undefined -> WithBest;
                Result -> cambrian_story:with_result(Result, WithBest)
            end, State};
handle_call(latest, _From, #state{history = History, received = Received} = State) ->
    Latest = maps:from_list([{generation, hd(History)} || History =/= []]
                            ++ [{received, hd(Received)} || Received =/= []]
                            ++ [{result, as_bytes(maps:without([archive, front], Result))}
                                || #{} = Result <- [State#state.result]]),
    {reply, Latest#{count => length(Received)}, State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

with(_Key, undefined, Map) -> Map;
with(Key, Value, Map) -> Map#{Key => Value}.

handle_cast(_, State) -> {noreply, State}.

handle_info({cambrian, _, {generation, #{species := Species} = Stats}},
            #state{history = History} = State) ->
    Generation = Stats#{species := length(Species), sizes => Species},
    {noreply, State#state{history = thin([Generation | History])}};
handle_info({cambrian, _, {received, Received}}, #state{received = All} = State) ->
    {noreply, State#state{received = lists:sublist([from_origin(Received) | All], ?MAX_HISTORY)}};
handle_info({cambrian, _, {champion, Champion}}, State) ->
    {noreply, State#state{best = as_bytes(Champion)}};
handle_info({cambrian, _, {finished, Result}}, State) ->
    {noreply, State#state{result = Result}};
handle_info(_, State) ->
    {noreply, State}.

as_bytes(#{champion := Champion} = Of) -> Of#{champion := cambrian_genotype:to_binary(Champion)}.

from_origin(#{from := #{origin := Origin}} = Received) -> Received#{from := Origin};
from_origin(Received) -> Received#{from := <<"unknown">>}.

thin(History) when length(History) =< ?MAX_HISTORY -> History;
thin([Last | Rest]) -> [Last | every_second(Rest)].

every_second([_, Kept | Rest]) -> [Kept | every_second(Rest)];
every_second(Rest) -> Rest.
