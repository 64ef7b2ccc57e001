%% @private
%% Handles genotypes that other nodes publish. A small genotype arrives whole, in an envelope. A
%% large genotype is only announced; a node that lacks it requests it.
-module(cambrian_announcements).

-export([heard_envelope/3, heard_announcement/5, ask_for_admission/2]).

-import(cambrian_exchange_state,
        [ask/3, effect/2, is_of_interest/2, note/5, option/2, put_task/2, rejected/2,
         repeat_soon/3]).
-import(cambrian_holdings, [best_of/2, is_better/2, knowledge/4, lookup/1]).
-import(cambrian_allowances, [compare_claim/4, may_work_on/6, spoke/3]).

-include("cambrian_exchange.hrl").

%% How many envelopes and announcements are verified per second: of keys that have earned their
%% place, of other known keys, and of all other keys together. A message counts once more for each
%% `WEIGHED' bytes of its size, and for each `UNPACKED' bytes that it unpacks to.
-define(CLAIMS, #{earned => 600, known => 300, fresh => 100}).
-define(WEIGHED, 4096).
-define(UNPACKED, 16_384).

%% @doc Answers the questions of admission. The last question, before a signature is verified, is
%% this second's budget for the origin.
-spec ask_for_admission(Bytes :: non_neg_integer(), Now :: integer()) ->
          cambrian_admission:ask(#exchange{}).
ask_for_admission(Bytes, Now) ->
    fun({admit, #{origin := Origin} = Claims} = Request, Y) ->
            case ask(Request, Now, Y) of
                %% admission asks again after it read the grant: the budget was charged the first
                %% time
                {ok, Z} when is_map(map_get(grant, Claims)) -> {ok, Z};
                {{error, _}, _} = No -> No;
                {Answer, Z} ->
                    Weight = 1 + Bytes div ?WEIGHED + maps:get(unpacked, Claims, 0) div ?UNPACKED,
                    case may_work_on(claims, ?CLAIMS, Weight, Origin, Now, Z) of
                        {true, Metered} -> {Answer, Metered};
                        {false, Metered} -> {{error, metered}, Metered}
                    end
            end;
       (Request, Y) -> ask(Request, Now, Y)
    end.

%%% ---- envelopes --------------------------------------------------------------------------

-spec heard_envelope(binary(), Now :: integer(), #exchange{}) -> #exchange{}.
heard_envelope(Bytes, Now, #exchange{options = #{identity := #{key := Own}}} = X) ->
    Ask = ask_for_admission(byte_size(Bytes), Now),
    case cambrian_admission:envelope(Bytes, lookup(X), option(once, X), Ask, X) of
        {{ok, _, #{origin := Own}, _}, Next} -> rejected(own, Next);
        {{ok, Genotype, #{genotype := Id, origin := Origin} = Claims, Record}, Next} ->
            Heard = effect({lineage, Id, Record}, spoke(Claims, Now, Next)),
            #{fitness := Claimed} = Claims,
            Details = #{origin => Origin, fitness => Claimed, bytes => byte_size(Bytes)},
            Noted = note(Id, received, Details, Now, Heard),
            cambrian_offers:arrived(Genotype, Claims, Origin, Record, Now, Noted);
        {{error, Reason}, Next} -> rejected(Reason, Next)
    end.

%%% ---- announcements ----------------------------------------------------------------------

-spec heard_announcement(cambrian_message:urgency(), Record :: binary(), Address :: binary(),
                         Now :: integer(), #exchange{}) -> #exchange{}.
heard_announcement(Urgency, Record, Address, Now, X) ->
    #exchange{options = #{identity := #{key := Own}}} = X,
    case cambrian_admission:record(Record, option(once, X), ask_for_admission(0, Now), X) of
        {{ok, #{origin := Own}}, Next} -> rejected(own, Next);
        {{ok, #{task := Name} = Claims}, Next} ->
            case is_of_interest(Name, Next) of
                true -> announced(Urgency, Claims, Record, Address, Now, spoke(Claims, Now, Next));
                false -> spoke(Claims, Now, Next)
            end;
        {{error, Reason}, Next} -> rejected(Reason, Next)
    end.

announced(Urgency, #{task := Name, genotype := Id, fitness := Claimed} = Claims, Record, Address,
          Now, X) ->
    case knowledge(Name, Id, Now, X) of
        {ok, Measured} when is_float(Measured) ->
            Known = compare_claim(Claims, Measured, Now, remember_breeder(Urgency, Id, Record, X)),
            compare_best(Urgency, Claims, {Measured, Id}, Now, Known);
        {ok, _} -> X;
        error ->
            case Urgency =:= best andalso not is_better({Claimed, Id}, best_of(Name, X)) of
                true -> compare_best(Urgency, Claims, {Claimed, Id}, Now, X);
                false -> want(Claims, Record, Address, Now, X)
            end
    end.

%% Only its breeder announces `news'; any node that holds the genotype may announce `best'.
remember_breeder(news, Id, Record, X) -> effect({lineage, Id, Record}, X);
remember_breeder(best, _Id, _Record, X) -> X.

want(#{task := Name, genotype := Id} = Claims, Record, Address, Now, X) ->
    #{origin := Origin, fitness := Claimed} = Claims,
    Request = #{id => Id, task => Name, claims => Claims, record => Record,
                addresses => [{Address, Origin}], whole => false},
    Details = #{origin => Origin, fitness => Claimed, address => Address},
    cambrian_retrieval:want(Request, Now, note(Id, announced, Details, Now, X)).

%% A node that announces the same best as ours does not need our announcement. A node that announces
%% a worse best should get ours.
compare_best(best, #{task := Name, genotype := Id, origin := Origin}, Theirs, Now, X) ->
    #exchange{tasks = Tasks, requests = Requests} = X,
    case Tasks of
        #{Name := #task{best = #held{id = Id}, trickle = Trickle} = Task} ->
            %% other nodes may avoid this announcer, and then need our announcement
            case cambrian_mesh_requests:is_avoided(Origin, Now, Requests) of
                true -> X;
                false -> put_task(Task#task{trickle = cambrian_trickle:consistent(Trickle)}, X)
            end;
        #{Name := #task{best = #held{}} = Task} ->
            case is_better(best_of(Name, X), Theirs) of
                true -> put_task(repeat_soon(Now, Task, X), X);
                false -> X
            end;
        _ -> X
    end;
compare_best(news, _Claims, _Theirs, _Now, X) -> X.
