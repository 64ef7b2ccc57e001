%% @private
%% Publishes for an exchange: champions of this node's populations when they are worth it, migrants,
%% and, by Trickle, the best known genotype of each task.
-module(cambrian_publication).

-export([bred/4, picked/4, publish/3, tick/3, wakes/1]).
-export([seal/3, keep_envelope/3, offer_blob/2, wait_for_turn/3]).

-import(cambrian_exchange_state,
        [ask/3, effect/2, event/3, note/5, option/2, put_task/2, repeat_soon/3, task/2, time/2]).
-import(cambrian_holdings, [better/2, held_here/3, hold/2, is_any_banned_by_user/3]).

-include("cambrian_exchange.hrl").

%% An envelope up to this size is sent whole: a request for it would cost more.
-define(SMALL, 512).

%%% ---- genotypes bred on this node --------------------------------------------------------

-spec bred(cambrian_exchange_state:task(), cambrian_exchange_state:champion(),
           Now :: integer(), #exchange{}) ->
          #exchange{}.
bred(Name, Champion, Now, X) ->
    Held = held_here(Name, Champion, X),
    case is_any_banned_by_user(Held, Now, X) of
        {true, Same} -> Same;
        {false, Same} -> improved(Champion, Held, task(Name, Same), Now, Same)
    end.

improved(#{fitness := Fitness} = Champion, Held, #task{best = Best, threshold = Threshold} = Task,
         Now, X) ->
    case cambrian_holdings:is_foreign(Held, Task, X) of
        true -> put_task(Task#task{best = better(Held, Best)}, X);
        false ->
            Better = Task#task{threshold = cambrian_threshold:improved(Fitness, Threshold),
                               pending = Held, best = better(Held, Best)},
            publish_due(maps:get(final, Champion, false), Better, Now, X)
    end.

%% Publishes the pending champion now, later or never. The last champion of a run (`Final') is
%% published if it is better at all.
publish_due(_Final, #task{pending = undefined} = Task, _Now, X) -> put_task(Task, X);
publish_due(_Final, Task, _Now, #exchange{options = #{publish := false}} = X) ->
    put_task(Task#task{pending = undefined}, X);
publish_due(_Final, Task, _Now, #exchange{options = #{policy := Policy}} = X)
  when Policy =/= champion ->
    put_task(Task#task{pending = undefined}, X);
publish_due(Final, #task{free_at = At} = Task, Now, X) when At > Now ->
    put_task(case Final of true -> urgent(Task); false -> Task end, X);
publish_due(Final, #task{pending = #held{claims = Claims}, threshold = Threshold} = Task, Now, X) ->
    #{fitness := Fitness} = Claims,
    Last = cambrian_threshold:last_published(Threshold),
    Wanted = case Final orelse is_map_key(urgent, Claims) of
                 true -> Last =:= none orelse Fitness > Last;
                 false -> cambrian_threshold:is_worth_publishing(Fitness, Threshold)
             end,
    case Wanted of
        true -> publish_pending(Task, Now, X);
        false -> put_task(Task, X)
    end.

urgent(#task{pending = #held{claims = Claims} = Held} = Task) ->
    Task#task{pending = Held#held{claims = Claims#{urgent => true}}}.

publish_pending(#task{name = Name, pending = #held{claims = Claims} = Pending} = Task, Now, X) ->
    #task{threshold = Threshold} = Task,
    Held = Pending#held{claims = maps:remove(urgent, Claims)},
    FreeAt = Now + max(option(interval, X), X#exchange.nodes * ?PACE_MS),
    Published = cambrian_threshold:published(maps:get(fitness, Claims), Threshold),
    Freed = Task#task{pending = undefined, free_at = FreeAt, threshold = Published},
    case publish(Held, Now, put_task(repeat_soon(Now, Freed, X), X)) of
        {ok, Sealed, Next} -> keep_envelope(Name, Sealed, Next);
        {{error, Reason}, Next} ->
            Facts = #{task => Name, genotype => Held#held.id, reason => Reason},
            event(not_published, Facts, Next)
    end.

%% @doc Publishes a migrant that a population returned for a `pick'.
-spec picked(cambrian_exchange_state:task(), cambrian_exchange_state:champion(), Now :: integer(),
             #exchange{}) -> #exchange{}.
picked(Name, Champion, Now, X) ->
    Held = held_here(Name, Champion, X),
    case is_any_banned_by_user(Held, Now, X) of
        {true, Same} -> Same;
        {false, Same} ->
            case publish(Held, Now, Same) of
                {ok, Sealed, Next} -> hold(Sealed, Next);
                {_Error, Next} -> Next
            end
    end.

%% @doc Sends a genotype, or announces it if it is large. Does not publish a genotype that this node
%% banned.
-spec publish(#held{}, Now :: integer(), #exchange{}) ->
          {ok, Sealed :: #held{}, #exchange{}} | {{error, term()}, #exchange{}}.
publish(#held{id = Id, task = Task, claims = #{fitness := Fitness}} = Held, Now, X) ->
    case ask({is_banned, {genotype, Id}}, Now, X) of
        {true, Next} -> {{error, banned_genotype}, Next};
        {false, Next} ->
            case seal(Held, Now, Next) of
                {ok, #held{envelope = Envelope} = Sealed, Numbered} ->
                    Facts = (maps:with([fitness, generation], Held#held.claims))
                                #{task => Task, genotype => Id, bytes => byte_size(Envelope)},
                    Details = #{task => Task, fitness => Fitness},
                    Noted = note(Id, published, Details, Now, Numbered),
                    {ok, Sealed, event(published, Facts, send(news, Sealed, Noted))};
                Error -> {Error, Next}
            end
    end.

send(news, #held{envelope = Envelope}, X) when byte_size(Envelope) =< ?SMALL ->
    effect({publish, Envelope}, X);
send(Urgency, #held{envelope = Envelope} = Held, X) ->
    #exchange{options = #{address := Address}} = X,
    {ok, Read, _} = cambrian_envelope:read(Envelope),
    Record = cambrian_envelope:record(Read),
    Announcement = cambrian_message:announcement(Urgency, Record, Address),
    effect({publish, Announcement}, offer_blob(Held, X)).

%% @doc Offers a large envelope as a blob.
-spec offer_blob(#held{}, #exchange{}) -> #exchange{}.
offer_blob(#held{content = undefined}, X) -> X;
offer_blob(#held{envelope = Envelope}, X) -> effect({send, Envelope}, X).

%% @doc Signs a genotype with this node's key, the next sequence number and the known fitness.
-spec seal(#held{}, Now :: integer(), #exchange{}) ->
          {ok, #held{}, #exchange{}} | {error, cambrian_envelope:error()}.
seal(#held{task = Task, genotype = Genotype, claims = Claims} = Held, Now,
     #exchange{sequence = Sequence, options = Options} = X) ->
    #{realm := Realm, grant := Grant, identity := #{secret := Secret}} = Options,
    All = (maps:with([fitness, generation, parents, operators], Claims))
              #{realm => Realm, task => Task, grant => Grant, sequence => Sequence,
                time => time(Now, X)},
    case cambrian_envelope:seal(All, Genotype, Secret()) of
        {ok, Envelope} ->
            Sealed = Held#held{envelope = Envelope, content = cambrian_delivery:content(Envelope)},
            {ok, Sealed, X#exchange{sequence = Sequence + 1}};
        Error -> Error
    end.

%% @doc Keeps a sealed envelope that other nodes may request.
-spec keep_envelope(cambrian_exchange_state:task(), #held{}, #exchange{}) -> #exchange{}.
keep_envelope(Name, #held{id = Id, envelope = Envelope, content = Content} = Held, X) ->
    case X#exchange.tasks of
        #{Name := #task{best = #held{id = Id} = Best} = Task} ->
            Kept = Best#held{envelope = Envelope, content = Content},
            put_task(Task#task{best = Kept}, hold(Held, X));
        _ -> hold(Held, X)
    end.

%% @doc After another node's champion, this node waits before it publishes a slightly better one.
%% Each node waits for a different time.
-spec wait_for_turn(Now :: integer(), #task{}, #exchange{}) -> {#task{}, #exchange{}}.
wait_for_turn(Now, #task{free_at = At} = Task, #exchange{nodes = Nodes, rand = Rand} = X) ->
    {Share, Next} = rand:uniform_s(Rand),
    Wait = round(Nodes * ?PACE_MS * (0.5 + Share)),
    {Task#task{free_at = max(At, Now + Wait)}, X#exchange{rand = Next}}.

%%% ---- time -------------------------------------------------------------------------------

%% @doc When a task next has something to publish, or must ask for a migrant.
-spec wakes(#task{}) -> [integer()].
wakes(#task{trickle = Trickle, migrant_at = Migrant, free_at = Free, best = Best} = Task) ->
    [cambrian_trickle:wake(Trickle) || Best =/= undefined] ++ [Migrant || Migrant =/= never]
        ++ [Free || is_waiting(Task)].

%% Whether a champion that is worth publishing waits for its time.
is_waiting(#task{pending = undefined}) -> false;
is_waiting(#task{pending = #held{claims = #{urgent := true}}}) -> true;
is_waiting(#task{pending = #held{claims = #{fitness := Fitness}}, threshold = Threshold}) ->
    cambrian_threshold:is_worth_publishing(Fitness, Threshold).

%% @doc Publishes everything that is due for a task.
-spec tick(#task{}, Now :: integer(), #exchange{}) -> #exchange{}.
tick(#task{name = Name} = Task, Now, X) ->
    {Announced, Next} = announce_due(Task, Now, X),
    Published = publish_due(false, Announced, Now, Next),
    pick_due(task(Name, Published), Now, Published).

announce_due(#task{best = undefined} = Task, _Now, X) -> {Task, X};
announce_due(#task{trickle = Trickle, best = Best} = Task, Now, #exchange{nodes = Nodes} = X) ->
    case cambrian_trickle:tick(Now, Nodes, Trickle) of
        {speak, Next} -> announce(Best, Task#task{trickle = Next}, Now, X);
        {quiet, Next} -> {Task#task{trickle = Next}, X}
    end.

announce(_Best, Task, _Now, #exchange{options = #{publish := false}} = X) -> {Task, X};
announce(#held{id = Id} = Best, Task, Now, X) ->
    case ask({is_banned, {genotype, Id}}, Now, X) of
        {false, Y} ->
            case seal(Best, Now, Y) of
                {ok, Sealed, Next} -> announced(Sealed, Task, Next);
                {error, _} -> {Task, Y}
            end;
        {true, Y} -> {Task, Y}
    end.

announced(#held{id = Id, claims = #{fitness := Fitness}} = Sealed, Task, X) ->
    #task{name = Name, threshold = Threshold} = Task,
    Facts = #{genotype => Id, task => Name, fitness => Fitness},
    {Task#task{best = Sealed, threshold = cambrian_threshold:published(Fitness, Threshold)},
     event(announced, Facts, send(best, Sealed, X))}.

pick_due(#task{migrant_at = At}, Now, X) when At =:= never; At > Now -> X;
pick_due(#task{name = Name} = Task, Now, X) ->
    Next = Task#task{migrant_at = Now + option(migration_interval, X)},
    effect({pick, Name, option(policy, X)}, put_task(Next, X)).
