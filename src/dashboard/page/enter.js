// Keeps the key of a new session, which stands in the fragment, and goes on to the page. From a link of another page a
// browser does not send the session's cookie; from here it does.
'use strict';

if (location.hash.length > 1) localStorage.setItem('cambrian-key', location.hash.slice(1));
location.replace('./');
