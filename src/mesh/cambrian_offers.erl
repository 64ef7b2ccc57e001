%% @private
%% Genotypes of other nodes on their way into the populations here: each waits in quarantine, is
%% offered to the populations of its task, and is judged by what they measure.
-module(cambrian_offers).

-export([arrived/6, offer_more/2, worked/4, judged/4]).

-import(cambrian_exchange_state,
        [ask/3, effect/2, event/3, is_present/2, note/5, option/2, put_task/2, rejected/2,
         repeat_soon/3, task/2, task_names/1]).
-import(cambrian_holdings,
        [beats/2, hold/2, knowledge/4, put_knowledge/4, subjects_of/1, weight/1]).
-import(cambrian_allowances, [account/3, compare_claim/4, is_source/3, line/3, payer/1]).

-include("cambrian_exchange.hrl").

%% So much work of an evaluation, about a millisecond, counts as one unit in quarantine. Below it,
%% unpacking and compiling a genotype takes as long, and quarantine counts turns alone.
-define(TURN, 1_000_000).
%% A genotype that was too costly is looked at again after so long, as populations grow.
-define(TOO_COSTLY_MS, 600_000).

%%% ---- quarantine -------------------------------------------------------------------------

%% @doc A genuine genotype arrived: measured if it is not known, and if a population here takes
%% newcomers of its origin.
-spec arrived(cambrian_genotype:genotype(), cambrian_envelope:read(),
              Breeder :: cambrian_identity:key(), Record :: binary(), Now :: integer(),
              #exchange{}) -> #exchange{}.
arrived(Genotype, #{task := Name, genotype := Id, origin := Origin} = Claims, Breeder, Record, Now,
        X) ->
    Facts = (maps:with([fitness, generation, task, origin], Claims))
                #{genotype => Id, value => Genotype},
    Told = event(received, Facts, X),
    case {knowledge(Name, Id, Now, Told), is_present(Name, Told)} of
        {{ok, Measured}, _} when is_float(Measured) -> compare_claim(Claims, Measured, Now, Told);
        {{ok, _}, _} -> Told;
        {error, false} -> put_knowledge(Name, Id, heard, Told);
        {error, true} ->
            case is_source(Origin, Now, Told) of
                {true, Asked} ->
                    Item = item(Genotype, Claims, Breeder, Record),
                    offer_more(Now, quarantine(Item, task(Name, Asked), Now, Asked));
                {false, Asked} -> note(Id, not_a_source, #{origin => Origin}, Now, Asked)
            end
    end.

item(Genotype, #{genotype := Id, origin := Origin} = Claims, Breeder, Record) ->
    #{fitness := Claimed, generation := Generation} = Claims,
    From = #{origin => Origin, breeder => Breeder, claimed => Claimed, generation => Generation},
    #{id => Id, genotype => Genotype, from => From, signed => Record, claims => Claims}.

quarantine(#{id := Id}, #task{offered = Offered}, _Now, X) when is_map_key(Id, Offered) -> X;
quarantine(#{genotype := Genotype, claims := #{origin := Origin}} = Item, Task, Now, X) ->
    {Account, Asked} = account(Origin, Now, X),
    Line = line(Account, Origin, Asked),
    {Dropped, Waiting} =
        cambrian_fair_queue:in(Origin, Line, Item#{account => Account, line => Line},
                               weight(Genotype), Task#task.quarantine),
    NoteDropped = fun(#{id := Id}, Y) -> note(Id, dropped, #{}, Now, Y) end,
    Noted = lists:foldl(NoteDropped, Asked, Dropped),
    put_task(Task#task{quarantine = Waiting}, Noted).

%%% ---- offers -----------------------------------------------------------------------------

%% @doc Offers what waits to the populations, as far as the budget of each task goes.
-spec offer_more(Now :: integer(), #exchange{}) -> #exchange{}.
offer_more(Now, X) ->
    lists:foldl(fun(Name, Y) -> offer_more_of(Name, Now, Y) end, X, task_names(X)).

offer_more_of(Name, Now, X) ->
    #task{offered = Offered, quarantine = Quarantine} = Task = task(Name, X),
    HasRoom = map_size(Offered) < option(budget, X),
    case HasRoom andalso cambrian_fair_queue:out(may_run(Task), Quarantine) of
        {#{id := Id} = Item, Left} ->
            Next = Task#task{quarantine = Left},
            Rest = case is_banned(Item, Now, X) of
                       {true, Y} -> put_task(Next, note(Id, banned, #{}, Now, Y));
                       {false, Y} when is_map_key(Id, Offered) -> put_task(Next, Y);
                       {false, Y} -> offer(Item, Next, Now, Y)
                   end,
            offer_more_of(Name, Now, Rest);
        _ -> X
    end.

%% Whether the sender is banned, or a user banned what this is. A genotype that a liar bred is still
%% taken from an honest node that measured it.
is_banned(#{claims := #{origin := Origin}} = Item, Now, X) ->
    case ask({is_any_banned, [{key, Origin}]}, Now, X) of
        {true, Y} -> {true, Y};
        {false, Y} -> ask({is_any_banned_by_user, subjects_of(Item)}, Now, Y)
    end.

%% While the populations work, they measure one genotype of an account at a time: only then is it
%% known what the last one cost.
may_run(#task{offered = Offered, budget = Budget}) ->
    Busy = case cambrian_budget:is_resting(Budget) of
               true -> [];
               false -> [Account || #{account := Account} <- maps:values(Offered)]
           end,
    fun(Line) ->
        Payer = payer(Line),
        cambrian_budget:may_run(Payer, Budget) andalso not lists:member(Payer, Busy)
    end.

offer(#{id := Id, genotype := Genotype, from := From, account := Account} = Item,
      #task{name = Name, offered = Offered} = Task, Now, X) ->
    Noted = note(Id, offered, #{task => Name}, Now, X),
    Common = [{common, true} || is_map_key(Name, X#exchange.common)],
    Known = maps:merge(From#{id => Id, account => Account}, maps:from_list(Common)),
    effect({offer, Name, Genotype, Known},
           put_task(Task#task{offered = Offered#{Id => Item}}, Noted)).

%% @doc A population here has evaluated a generation of its own, or begins or ends a rest.
-spec worked(cambrian_exchange_state:task(), cambrian_standing:worked(), Now :: integer(),
             #exchange{}) -> #exchange{}.
worked(Name, #{work := Work, rests := Rests, failing := Failing} = Worked, Now, X) ->
    case X#exchange.tasks of
        #{Name := #task{budget = Budget} = Task} ->
            Earned = cambrian_budget:set_resting(Rests, cambrian_budget:worked(Work, Budget)),
            Counted = put_task(Task#task{budget = Earned, failing = Failing}, X),
            offer_more_of(Name, Now, cambrian_commons:worked(Name, Worked, Counted));
        _ -> X
    end.

%%% ---- verdicts ---------------------------------------------------------------------------

%% @doc A population measured an offered genotype. Each population of the task says what that cost;
%% the first verdict counts.
-spec judged(cambrian_exchange_state:task(), cambrian_exchange_state:verdict(), Now :: integer(),
             #exchange{}) -> #exchange{}.
judged(Name, #{id := Id} = Verdict, Now, X) ->
    case X#exchange.tasks of
        #{Name := #task{offered = #{Id := #{line := Line} = Item} = Offered} = Task} ->
            Charged = charge(Line, Verdict, Task#task{offered = maps:remove(Id, Offered)}),
            offer_more(Now, judge(Verdict, Item, Name, Now, put_task(Charged, X)));
        #{Name := Task} ->
            put_task(charge(maps:get(account, Verdict, none), Verdict, Task), X);
        _ -> X
    end.

%% The line pays what the measurement cost, whatever came of it.
charge(Line, #{work := Work}, #task{budget = Budget, quarantine = Quarantine} = Task)
  when Line =/= none ->
    Task#task{budget = cambrian_budget:charge(payer(Line), Work, Budget),
              quarantine = cambrian_fair_queue:charge(Line, Work div ?TURN, Quarantine)};
charge(_Line, _Verdict, Task) -> Task.

%% `busy' is no verdict: the genotype may come again.
judge(#{outcome := busy}, #{id := Id}, _Name, Now, X) -> note(Id, busy, #{}, Now, X);
judge(#{outcome := late} = Verdict, Item, Name, Now, X) ->
    note_verdict(Verdict, Item, Name, Now, X);
judge(#{outcome := too_costly} = Verdict, #{id := Id, claims := Claims} = Item, Name, Now, X) ->
    Noted = note_verdict(Verdict, Item, Name, Now, X),
    {_, Refused} = ask({refused, too_costly, Claims}, Now, Noted),
    TooCostly = {too_costly, Now + ?TOO_COSTLY_MS},
    rejected(too_costly, put_knowledge(Name, Id, TooCostly, Refused));
judge(#{outcome := Outcome} = Verdict, #{id := Id, claims := Claims} = Item, Name, Now, X) ->
    #{origin := Origin} = Claims,
    Measured = maps:get(fitness, Verdict, failed),
    Noted = note_verdict(Verdict, Item, Name, Now, put_knowledge(Name, Id, Measured, X)),
    case Measured of
        failed when Outcome =:= failed -> failed(Origin, task(Name, Noted), Now, Noted);
        failed -> Noted;
        _ ->
            Placed = cambrian_commons:arrived(Name, Item, Verdict, Now, Noted),
            Compared = compare_claim(Claims, Measured, Now, Placed),
            Counted = taken_in(Outcome, Origin, Now, Compared),
            Facts = Verdict#{origin => Origin, task => Name},
            adopt(Item, Measured, Name, Now, event(judged, Facts, Counted))
    end.

note_verdict(Verdict, #{id := Id, claims := #{fitness := Claimed} = Claims}, Name, Now, X) ->
    Found = maps:with([outcome, fitness, work, cost, median, bound], Verdict),
    Details = Found#{task => Name, claimed => Claimed,
                     generation => maps:get(generation, Claims, 0)},
    note(Id, judged, Details, Now, X).

%% A failure counts against the origin, unless the task fails here anyway.
failed(_Origin, #task{failing = true}, _Now, X) -> X;
failed(Origin, _Task, Now, X) ->
    {_, Next} = ask({failed, Origin}, Now, X),
    Next.

taken_in(accepted, Origin, Now, X) ->
    {_, Next} = ask({accepted, Origin}, Now, X),
    case ask({has_earned, Origin}, Now, Next) of
        {true, #exchange{members = Members} = Earned} ->
            Earned#exchange{members = cambrian_members:earned(Origin, Members)};
        {false, Same} -> Same
    end;
taken_in(_Outcome, _Origin, _Now, X) -> X.

%% Another node's genotype may be the best here from now on. This node announces it with the fitness
%% that it measured itself.
adopt(#{id := Id, genotype := Genotype, from := From, signed := Record, claims := Claims}, Fitness,
      Name, Now, X) ->
    #{breeder := Breeder} = From,
    Held = #held{id = Id, task = Name, genotype = Genotype, breeder = Breeder, signed = Record,
                 sources = [#{genotype => Id, keys => cambrian_purge:keys(From)}],
                 claims = (maps:with([generation, parents, operators], Claims))
                              #{fitness => Fitness}},
    #task{best = Best, pending = Pending, threshold = Threshold} = Task = task(Name, X),
    case beats(Held, Best) of
        true ->
            Better = Task#task{best = Held, pending = still_better(Pending, Held),
                               threshold = cambrian_threshold:published(Fitness, Threshold)},
            {Waiting, Next} = cambrian_publication:wait_for_turn(Now, Better, X),
            put_task(repeat_soon(Now, Waiting, X), hold(Best, Next));
        false -> hold(Held, X)
    end.

still_better(undefined, _) -> undefined;
still_better(Pending, Held) -> case beats(Pending, Held) of true -> Pending; false -> undefined end.
