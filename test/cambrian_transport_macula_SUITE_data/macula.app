{application, macula,
 [{description, "Not Macula: a stand-in for tests, with the same calls and the same traps"},
  {vsn, "10.0.0"},
  {modules, []},
  {registered, []},
  {applications, [kernel, stdlib, crypto]}]}.
