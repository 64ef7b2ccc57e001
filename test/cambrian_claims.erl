%% Claims that arrive in a realm, for the tests of realms.
-module(cambrian_claims).
-include_lib("eunit/include/eunit.hrl").
-export([realm/0, realm/1, key/1, claims/2, claims/3, arrives/4, refusal/3, for_all_seeds/1, pick/1,
         earns/2]).

-define(NOW, 1_800_000_000_000).

realm() -> realm(#{}).
realm(Options) -> cambrian_realm:new(Options#{name => <<"lab">>}).

key(N) -> <<N:256>>.

claims(Origin, Sequence) -> claims(Origin, Sequence, ?NOW).
claims(Origin, Sequence, Time) ->
    #{realm => <<"lab">>, origin => key(Origin), genotype => <<Sequence:256>>, sequence => Sequence,
      time => Time,
      grant => undefined}.

arrives(Origin, Sequence, Now, Realm) ->
    {ok, Next} = cambrian_realm:genuine(claims(Origin, Sequence, Now), Now, Realm),
    Next.

refusal(Claims, Now, Realm) ->
    case cambrian_realm:admit(Claims, Now, Realm) of
        {ok, _} -> ok;
        {error, Reason, Counted} ->
            ?assertMatch(#{refused := #{Reason := _}}, cambrian_realm:report(Counted)),
            Reason;
        Other -> Other
    end.

%% Checks `Property' for many seeds, each with its own random numbers.
for_all_seeds(Property) ->
    First = erlang:system_time(microsecond),
    _ = [begin
             _ = rand:seed(exsss, Seed),
             try Property()
             catch Class:Reason:Stack -> erlang:raise(Class, {seed, Seed, Reason}, Stack)
             end
         end || Seed <- lists:seq(First, First + 99)],
    ok.

pick(List) -> lists:nth(rand:uniform(length(List)), List).

%% The origin delivered a genotype, and its claim was true.
earns(Origin, Realm) ->
    {confirmed, Good} = cambrian_realm:checked(key(Origin), 1.0, 1.0, ?NOW, Realm),
    cambrian_realm:accepted(key(Origin), Good).
