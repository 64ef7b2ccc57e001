%% @private
%% What an exchange keeps of common archives: of each task the replica of its population, as it was
%% last told; what other nodes may ask of it; and what came of the elites that they claimed. {@link
%% cambrian_anti_entropy} compares the replicas with those of other nodes.
-module(cambrian_commons).

-export([join/3, leave/2, worked/3, banned/1, arrived/5, compared/4]).
-export([look/4, soon/3, put_common/2, misplaced/3]).

-import(cambrian_exchange_state, [ask/3, effect/2, random/1, time/2]).

-include("cambrian_exchange.hrl").

%% A population is asked for its archive at most so often because others ask for it.
-define(LOOK_MS, 5_000).

%%% ---- the population here ----------------------------------------------------------------

%% @doc A population of this task is here, maybe again after a crash.
-spec join(cambrian_exchange_state:task(), Now :: integer(), #exchange{}) -> #exchange{}.
join(Name, Now, #exchange{options = #{common_archive := true}, common = All} = X) ->
    case All of
        #{Name := Common} ->
            %% it may have lost what it measured last
            look(for_others, Common, Now, X#exchange{known = cambrian_bounded_map:new(4096)});
        _ ->
            {Rand, Next} = random(X),
            {First, Drawn} = rand:uniform_s(?SHORTEST_MS, Rand),
            Common = #common{name = Name, next_at = Now + First, interval = ?SHORTEST_MS,
                             rand = Drawn},
            look(for_others, Common, Now, Next)
    end;
join(_Name, _Now, X) -> X.

-spec leave(cambrian_exchange_state:task(), #exchange{}) -> #exchange{}.
leave(Name, #exchange{common = All} = X) -> X#exchange{common = maps:remove(Name, All)}.

%% @doc The population has evaluated a generation, so its archive may have changed.
-spec worked(cambrian_exchange_state:task(), cambrian_standing:worked(), #exchange{}) ->
          #exchange{}.
worked(Name, #{work := Work}, X) when Work > 0 -> stale(Name, X);
worked(_Name, _Work, X) -> X.

stale(Name, #exchange{common = All} = X) ->
    case All of
        #{Name := Common} -> put_common(Common#common{is_stale = true}, X);
        _ -> X
    end.

%% @doc Something was banned: the populations purge their archives.
-spec banned(#exchange{}) -> #exchange{}.
banned(#exchange{common = All} = X) when map_size(All) =:= 0 -> X;
banned(#exchange{common = All} = X) ->
    %% other nodes may send again what is not here any more
    lists:foldl(fun stale/2, X#exchange{known = cambrian_bounded_map:new(4096)}, maps:keys(All)).

-spec put_common(#common{}, #exchange{}) -> #exchange{}.
put_common(#common{name = Name} = Common, #exchange{common = All} = X) ->
    X#exchange{common = All#{Name => Common}}.

%% @doc Asks the population for its archive, because others ask for it or for a session.
-spec look(for_others | for_session, #common{}, Now :: integer(), #exchange{}) -> #exchange{}.
look(For, #common{name = Name} = Common, Now, X) ->
    Looking = Common#common{is_stale = false, looking = For, looked_at = Now},
    effect({archive, Name}, put_common(Looking, X)).

%% @doc The next session begins within so many ms.
-spec soon(Ms :: pos_integer(), Now :: integer(), #common{}) -> #common{}.
soon(Ms, Now, #common{next_at = At, rand = Rand} = Common) ->
    {Wait, Next} = rand:uniform_s(Ms, Rand),
    Common#common{interval = ?SHORTEST_MS, next_at = min(At, Now + Wait), rand = Next}.

%%% ---- what was measured ------------------------------------------------------------------

%% @doc A newcomer was measured. A claimed cell in which its behaviour does not lie counts against
%% its origin, as one that cannot be evaluated does.
-spec arrived(cambrian_exchange_state:task(), Item :: map(), cambrian_exchange_state:verdict(),
              Now :: integer(), #exchange{}) -> #exchange{}.
arrived(Name, Item, Verdict, Now, #exchange{common = All} = X) ->
    case All of
        #{Name := Common} ->
            Known = put_common(accepted(Item, Verdict, Common), X),
            compare_cell(Item, Verdict, Common, Now, Known);
        _ -> X
    end.

accepted(#{id := Id, signed := Record}, #{outcome := accepted}, Common) ->
    Kept = cambrian_bounded_map:put(Id, Record, byte_size(Record), Common#common.signed),
    Common#common{is_stale = true, signed = Kept};
accepted(_Item, _Verdict, Common) -> Common.

compare_cell(#{claims := #{cell := Cell, origin := Origin}}, #{behaviour := Behaviour},
             #common{replica = Replica}, Now, X) when Replica =/= none ->
    case cambrian_common_archive:cell(Behaviour, Replica) of
        Other when is_integer(Other), Other =/= Cell -> misplaced(Origin, Now, X);
        _ -> X
    end;
compare_cell(_Item, _Verdict, _Common, _Now, X) -> X.

%% @doc This key claimed a cell in which the behaviour of an elite does not lie.
-spec misplaced(cambrian_identity:key(), Now :: integer(), #exchange{}) -> #exchange{}.
misplaced(Key, Now, X) ->
    {_, Next} = ask({failed, Key}, Now, X),
    Next.

%%% ---- questions of other nodes -----------------------------------------------------------

%% @doc Another node asks in which parts a replica here differs from its own.
-spec compared(cambrian_message:comparison(), From :: cambrian_transport:caller(),
               Now :: integer(), #exchange{}) -> {cambrian_answers:reply(), #exchange{}}.
compared(#{subject := Subject} = Question, From, Now, #exchange{common = All} = X) ->
    IsAsked = fun(#common{replica = none, looking = Looking}) -> Looking =/= false;
                 (#common{replica = Replica}) ->
                      cambrian_common_archive:subject(Replica) =:= Subject
              end,
    case lists:filter(IsAsked, maps:values(All)) of
        [] -> {{answer, cambrian_message:answer(none)}, X};
        Asked ->
            case [Common || #common{replica = Replica} = Common <- Asked, Replica =/= none] of
                [Common | _] -> answer(Question, From, Common, Now, X);
                %% the population has not told its archive yet
                [] -> {busy, X}
            end
    end.

answer(#{node := Node, digests := Digests} = Question, From, Common, Now, X) ->
    #common{replica = Replica} = Common,
    case cambrian_common_archive:is_node(Node, Replica)
        andalso cambrian_common_archive:differing(Node, Digests, Replica) of
        {ok, Bits} ->
            Heard = heard_root(Question, Bits, From, Common, Now, X),
            Entries = [Entry || {1, _} <- [Node],
                                Entry <- cambrian_common_archive:entries(Node, Bits, Replica)],
            answer_with(Entries, Question, Bits, Now, Heard);
        _ -> {{answer, cambrian_message:answer(none)}, X}
    end.

answer_with([], _Question, Bits, _Now, X) ->
    {{answer, cambrian_message:compared({differ, Bits})}, X};
answer_with(Entries, Question, _Bits, Now, #exchange{sequence = Sequence, options = Options} = X) ->
    #{realm := Realm, identity := Identity, grant := Grant} = Options,
    Claims = #{sequence => Sequence, time => time(Now, X), grant => Grant},
    {{answer, cambrian_message:elites(Realm, Question, {Claims, Entries}, Identity)},
     X#exchange{sequence = Sequence + 1}}.

%% A caller that shows a root that is new here may have something that is lacking here.
heard_root(#{node := Node, digests := Digests}, Bits, From, Common, Now, X) ->
    #common{replica = Replica} = Common,
    Looked = look_again(Common, Now, X),
    Root = crypto:hash(md5, Digests),
    IsNew = Bits =/= 0 andalso Node =:= cambrian_common_archive:top(Replica)
        andalso cambrian_bounded_map:find(From, Common#common.roots) =/= {ok, Root},
    case IsNew of
        true ->
            Known = map_get(Common#common.name, Looked#exchange.common),
            follow(From, Root, Known, Now, Looked);
        false -> Looked
    end.

follow(From, Root, #common{roots = Roots, session = Session} = Common, Now, X) ->
    Known = Common#common{roots = cambrian_bounded_map:put(From, Root, Roots),
                          hint = caller(From, Common, Now, X)},
    put_common(case Session of
                   none when Known#common.next_at > Now + ?SHORTEST_MS ->
                       soon(?SHORTEST_MS, Now, Known);
                   _ -> Known#common{interval = ?SHORTEST_MS}
               end, X).

caller(unknown, #common{hint = Hint}, _Now, _X) -> Hint;
caller(From, #common{hint = Hint}, Now, #exchange{members = Members}) ->
    case cambrian_members:at(From, Now, Members) of
        {ok, Key} -> {From, Key};
        none -> Hint
    end.

%% Others compare what the population had a while ago; it is asked again if it may have changed.
look_again(#common{is_stale = true, looking = false, looked_at = At} = Common, Now, X)
  when At =:= never; At + ?LOOK_MS =< Now ->
    look(for_others, Common, Now, X);
look_again(_Common, _Now, X) -> X.
