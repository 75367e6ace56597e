"""Other words for each style, and scenes it suits: what people type who do not know its name.

No phrase names an instrument, a key, a tempo number or a mood of its own: those come from a piece's labels.
"""

from __future__ import annotations


def _split(text: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in text.split(";"))


# Noun phrases: each can stand alone or follow an adjective.
NAMES: dict[str, tuple[str, ...]] = {
    "house": _split("""
        house; house music; house track; deep house; classic house; club house; Chicago house; garage house;
        four on the floor club track; four-to-the-floor groove; dancefloor groove; disco house; soulful
        house; club music; dance music; dance track; funky house; instrumental house cut; EDM house;
        feel-good club cut; nightclub groove; house beat; house tune; tech house; modern club track; 4/4
        dance beat
    """),
    "techno": _split("""
        techno; techno track; techno music; Detroit techno; Berlin techno; warehouse techno; minimal techno;
        acid techno; hard techno; industrial techno; peak time techno; techno party anthem; hypnotic techno;
        machine music; rave music; rave track; underground club techno; driving techno; techno loop; techno
        groove; pounding four on the floor; electronic rave beat; warehouse rave track; mechanical dance
        music; repetitive electronic dance; techno banger
    """),
    "drum and bass": _split("""
        drum and bass; drum & bass; drum n bass; dnb; d&b; jungle; liquid dnb; jungle breaks; neurofunk;
        breakbeat; fast breakbeats; rolling breaks; chopped breakbeats; amen break track; jungle music;
        liquid drum and bass; drum and bass roller; dnb tune; high speed breakbeat; breakcore-ish jungle;
        jump up dnb; two-step dnb beat; atmospheric jungle; rave breaks; UK jungle; drum and bass track
    """),
    "hip-hop": _split("""
        hip-hop; hip hop; hip hop beat; boom bap; boom bap beat; rap beat; rap instrumental; trap; trap
        beat; trap instrumental; hip-hop instrumental; old school hip hop; 90s hip hop; east coast beat;
        west coast beat; type beat; freestyle beat; street beat; head-nodding beat; gangsta rap beat; beat
        for a rapper; sampled beat; southern rap beat; drill-like beat; golden age rap; urban beat
    """),
    "lo-fi": _split("""
        lo-fi; lofi; lo-fi hip hop; lofi beats; lo fi beats; chillhop; study beats; lofi study music; chill
        beats; lo-fi chill; bedroom beats; jazzhop; dusty beat; tape-worn beat; vinyl-crackle beat; lofi
        track; mellow beats; chilled instrumental; background study loop; lofi girl style; sleepy beat;
        coffee shop beats; low fidelity beats; chill lofi loop; nostalgic lofi; laid-back beat tape
    """),
    "ambient": _split("""
        ambient; ambient music; ambient soundscape; soundscape; atmospheric drone; drone music; new age
        music; meditation music; sleep music; spa music; relaxation music; floating textures; beatless
        music; space music; ethereal soundscape; background atmosphere; sound bath; generative ambient; slow
        evolving texture; healing music; yoga music; mindfulness music; Eno-like ambient; ambient piece;
        weightless textures; deep listening music
    """),
    "synthwave": _split("""
        synthwave; synth wave; retrowave; outrun; outrun music; 80s synth music; 80s electronic;
        vaporwave-adjacent synthwave; neon synthwave; darksynth; dreamwave; retro synth track; 1980s
        soundtrack; eighties style pop; retro electro; synth-pop; cyberpunk music; neon retro track; 80s
        action movie music; analog retro music; retro-futuristic track; arcade-era synthwave; chillwave; new
        wave; eighties night drive music; synthwave track
    """),
    "chiptune": _split("""
        chiptune; chip tune; chip music; 8-bit; 8 bit music; 8-bit video game; 8-bit NES game music; video
        game music; NES music; Game Boy music; retro game music; arcade game music; pixel game soundtrack;
        16-bit game music; platformer music; console game tune; old computer game music; C64 music; tracker
        music; bleeps and bloops; retro game soundtrack; Nintendo-style tune; 8-bit tune; game level theme;
        boss fight chip music; bitpop
    """),
    "rock": _split("""
        rock; rock music; rock song; rock band; classic rock; indie rock; alternative rock; alt rock; hard
        rock; pop rock; garage rock; punk rock; arena rock; stadium rock; rock anthem; rock and roll; 90s
        rock; 70s rock; pub rock; college rock; live rock band; rock track; rock instrumental; post-grunge;
        britpop; power pop
    """),
    "metal": _split("""
        metal; heavy metal; metal music; thrash metal; thrash; death metal; power metal; metalcore; speed
        metal; black metal; headbanging music; heavy riffs; shredding riffs; brutal riffs; metal band; metal
        track; djent; extreme metal; old school metal; groove metal; metal riffing; palm-muted riffs; metal
        instrumental; mosh pit music; symphonic-era metal; NWOBHM
    """),
    "blues": _split("""
        blues; blues music; twelve-bar blues; 12 bar blues; Chicago blues; delta blues; blues shuffle; slow
        blues; blues jam; Texas blues; electric blues; rhythm and blues jam; bluesy tune; juke joint blues;
        blues rock shuffle; old blues; roadhouse blues; blues ballad; blues band; boogie; swinging blues;
        blues standard; blues solo; barroom blues; Memphis blues; blues track
    """),
    "funk": _split("""
        funk; funk music; funky groove; funk groove; 70s funk; funk band; funk jam; deep pocket groove;
        disco funk; soul funk; old school funk; funky jam; syncopated groove; James Brown style funk;
        P-funk; funk track; dance funk; groove music; funky riff; retro funk; jazz funk; rare groove; boogie
        funk; street funk; on-the-one groove; funk instrumental
    """),
    "reggae": _split("""
        reggae; reggae music; roots reggae; dub; dub reggae; one drop; one drop groove; Jamaican music;
        rocksteady; ska-tinged reggae; reggae groove; reggae band; lovers rock; Kingston groove; reggae
        riddim; riddim; reggae track; offbeat skank; island reggae; rasta music; dancehall roots; sound
        system reggae; reggae tune; skanking groove; Bob Marley style groove; dubby groove
    """),
    "jazz": _split("""
        jazz; jazz music; swing; swing jazz; bebop; cool jazz; jazz combo; jazz quartet; jazz standard; hard
        bop; modal jazz; jazz club music; straight-ahead jazz; swinging jazz; jazz trio; lounge jazz; smoky
        club jazz; jazz improvisation; late night jazz; swing tune; jazz ballad or swinger; post-bop; jazz
        band; New York jazz; bop; cocktail jazz
    """),
    "classical": _split("""
        classical; classical music; orchestral music; chamber music; symphonic music; sonata; baroque music;
        romantic era music; concert music; concert hall music; minuet; sonatina; classical piece; serenade;
        Mozart-like music; Bach-like music; Viennese classical; chamber piece; symphony movement; classical
        miniature; 18th century music; 19th century music; salon music; art music; concerto; orchestral
        piece
    """),
    "cinematic": _split("""
        cinematic; cinematic music; film score; movie soundtrack; soundtrack; trailer music; film music;
        epic-style score; blockbuster score; score for a film; cinematic underscore; orchestral trailer;
        fantasy game score; adventure soundtrack; Hollywood score; movie trailer; hybrid orchestral score;
        battle music; hero theme; TV drama score; documentary score; action movie score; underscore; movie
        theme; cinematic theme; game cutscene music
    """),
    "folk": _split("""
        folk; folk music; folk song; folk tune; acoustic folk; country; country folk; bluegrass; Celtic
        music; Irish folk; Irish jig or reel; Appalachian folk; traditional music; fireside song;
        singer-songwriter backing; Americana; campfire tune; village dance; barn dance music; old-time
        music; English folk; Nordic folk; ballad of the hills; rustic tune; roots music; unplugged acoustic
        music
    """),
    "bossa nova": _split("""
        bossa nova; bossa; bossa-nova; Brazilian jazz; Brazilian bossa; Rio bossa; samba jazz; bossa groove;
        Latin jazz; bossa lounge; soft samba; Brazilian music; Jobim style; Ipanema style; bossa nova tune;
        lounge bossa; Latin lounge; Brazilian lounge music; elevator bossa; bossa nova track; 60s bossa;
        beach bossa; Copacabana groove; Brazilian groove; easy listening Latin; MPB
    """),
    "calypso": _split("""
        calypso; calypso music; soca; soca-calypso; Caribbean music; Trinidad carnival music; island music;
        tropical music; West Indian music; Caribbean carnival; tropical party music; island groove;
        Trinidadian calypso; beach party music; Caribbean tune; carnival road march; tropical dance; island
        dance tune; calypso song; calypso groove; Tobago beach music; Antilles groove; Caribbean dance;
        tropical tune; sunshine island music; calypso track
    """),
}

# What follows "music for ...".
SCENES: dict[str, tuple[str, ...]] = {
    "house": _split("""
        a rooftop party; a summer pool party; a night out in the club; a DJ set at sunset; dancing until
        morning; a fashion show; a beach club in Ibiza; a workout class; a packed dancefloor; a cocktail bar
        with a DJ; getting ready to go out; a boat party; a shop that sells sneakers; a dance workout
    """),
    "techno": _split("""
        a warehouse rave; a dark basement club; a 4 am dancefloor; a strobe-lit rave; a Berlin club; a
        festival at night; a robot factory; running through a tunnel; a chase through a data centre; an
        all-night rave; a light show; an underground party; coding at night; an industrial film
    """),
    "drum and bass": _split("""
        a high speed race; a skate video; a jungle rave; a street race at night; an extreme sports film; a
        fast bike ride; a snowboard film; a futuristic racing game; a parkour run; a London club night; a
        chase scene on motorbikes; a hard workout; a drone racing clip; running at full speed
    """),
    "hip-hop": _split("""
        a rap battle; a street basketball game; cruising the block; a breakdance crew; a freestyle session;
        a city at night; a graffiti film; writing verses; a sneaker advert; a late night bus ride; a boxing
        training montage; a skate park; a cypher; a music video downtown
    """),
    "lo-fi": _split("""
        studying; doing homework; a rainy afternoon; reading by the window; a quiet café; falling asleep on
        the sofa; a slow Sunday; working late with a cup of tea; a rainy window; a train ride home;
        journaling; a cosy bedroom; a lazy morning; watching the snow
    """),
    "ambient": _split("""
        meditation; sleep; a planetarium; yoga; floating in space; a spa; deep concentration; a slow
        sunrise; drifting off to sleep; an art installation; staring at the stars; an underwater film;
        breathing exercises; a foggy forest
    """),
    "synthwave": _split("""
        a late night drive; driving through a neon city; an 80s film; a retro racing game; a sunset over a
        grid horizon; a cyberpunk city; a VHS horror film; an arcade in 1985; cruising along the coast at
        night; a training montage from the eighties; a laser show; a retro sci-fi series; the opening of an
        80s cop show; a midnight highway
    """),
    "chiptune": _split("""
        a platform game; an arcade cabinet; a boss battle; a pixel art adventure; a handheld game; the first
        level of a game; a retro racing game; a title screen; an underwater game level; a speedrun; a space
        shooter; a puzzle game; a game jam entry; a castle level
    """),
    "rock": _split("""
        a road trip; a live gig; a stadium; a bar band on a Friday night; a car advert; a teen movie; a
        festival stage; driving with the windows down; a school band rehearsal; a garage; a biker bar; a
        sports highlight reel; jumping around in your room; a summer open air
    """),
    "metal": _split("""
        a mosh pit; a headbanging crowd; a demon-slaying game; a battle of monsters; lifting heavy weights;
        a festival in black leather; a wrestling entrance; a horror game fight; an arena full of long hair;
        a monster truck show; storming a fortress; a racing game crash; letting out anger; a Viking raid
    """),
    "blues": _split("""
        a smoky bar; a roadhouse; a whiskey at midnight; a lonely highway; a juke joint; the end of a long
        day; a porch in Mississippi; a broken heart; a late set in a Chicago club; a crossroads at dusk; a
        diner at 2 am; a river boat; a Sunday barbecue; a pool hall
    """),
    "funk": _split("""
        a roller disco; a block party; a cop show from the seventies; a dance contest; strutting down the
        street; a soul train line; a heist movie; a barbecue with dancing; a house party in 1975; a
        basketball montage; a cooking show; a fashion walk; a car wash; getting everybody on the floor
    """),
    "reggae": _split("""
        a beach bar; a hammock in the sun; a lazy afternoon by the sea; a sound system in Kingston; a surf
        shack; a sunny day; a barbecue on the sand; a bus ride in Jamaica; a summer evening outdoors;
        chilling with friends; an island holiday; a festival at sunset; a slow boat trip; a backyard in the
        heat
    """),
    "jazz": _split("""
        a jazz club; a cocktail party; a black-and-white detective film; a late dinner; a hotel lobby; a
        night in Paris; a rainy New York street; a wine bar; a Woody Allen film; a supper club; a smoky
        basement; an elegant restaurant; a Sunday brunch; a dance hall in the forties
    """),
    "classical": _split("""
        a concert hall; a period drama; a candlelit dinner in a palace; an art museum; a ballet; a royal
        court; a wedding ceremony; reading poetry; a garden party in 1800; a nature documentary; a recital;
        an afternoon tea; a costume film; studying for exams
    """),
    "cinematic": _split("""
        a movie trailer; a battle scene; a hero's journey; a space film; an opening title; a fantasy
        kingdom; a final showdown; a flight over mountains; a documentary about the ocean; a detective
        drama; a storm at sea; a game cutscene; the end credits; a rescue mission
    """),
    "folk": _split("""
        a campfire; a walk in the hills; a village fair; a pub in Ireland; a barn dance; a country road; a
        fishing village; a farm in spring; a harvest festival; a hiking film; an old story told by the fire;
        a cottage kitchen; a river journey; a wedding on the green
    """),
    "bossa nova": _split("""
        a beach in Rio; a café in the sun; a hotel bar; a dinner with friends; an elevator; a summer
        cocktail; a walk along Ipanema; a sunny terrace; a 60s travel film; a bookshop; a lazy seaside
        morning; a rooftop at dusk; a first date; a poolside lounge
    """),
    "calypso": _split("""
        a carnival parade; a Caribbean beach; a cruise ship deck; a rum bar in Trinidad; a tropical holiday;
        a summer street party; a beach cocktail; a sunny island; a palm-lined harbour; a limbo contest; a
        fish fry by the sea; a parade in Port of Spain; a tropical fruit market; an island wedding
    """),
}

# What the rhythm or texture is like: clauses that go after the name.
TRAITS: dict[str, tuple[str, ...]] = {
    "house": _split("""
        four on the floor; a steady club pulse; made for dancing; groovy and repetitive
    """),
    "techno": _split("""
        hypnotic and mechanical; pounding and repetitive; relentless pulse; machine-like; stripped down
    """),
    "drum and bass": _split("""
        fast broken beats; rolling rhythm; double-time breaks; heavy low end; chopped rhythm
    """),
    "hip-hop": _split("""
        head-nodding groove; heavy backbeat; laid-back swing; sparse and punchy; looped
    """),
    "lo-fi": _split("""
        dusty and warm; slightly detuned and hazy; a lazy swing; like an old tape; soft around the edges
    """),
    "ambient": _split("""
        no beat; slowly evolving; spacious and sustained; floating; long washes of sound
    """),
    "synthwave": _split("""
        retro eighties sound; neon colours; gated and punchy; pulsing sequences; nostalgic electronics
    """),
    "chiptune": _split("""
        8-bit sound; fast arpeggios; bleepy and catchy; like an old console; square waves
    """),
    "rock": _split("""
        a strong backbeat; played by a live band; loud and direct; big chorus; straight eighths
    """),
    "metal": _split("""
        heavy riffs; pummelling; loud and distorted; palm-muted chugging; crushing
    """),
    "blues": _split("""
        a lazy shuffle; call and response; bent blue notes; a slow burn; dominant sevenths
    """),
    "funk": _split("""
        tight and syncopated; on the one; sixteenth-note groove; punchy stabs; infectious groove
    """),
    "reggae": _split("""
        offbeat skank; one drop rhythm; laid back; deep low end; chords on the upbeat
    """),
    "jazz": _split("""
        swinging; walking lines; improvised solos; rich chords; ii-V-I harmony
    """),
    "classical": _split("""
        elegant; unhurried elegance; flowing accompaniment; written in an old style; graceful phrases
    """),
    "cinematic": _split("""
        building to a climax; wide and dramatic; like a film score; rising tension; grand
    """),
    "folk": _split("""
        acoustic; simple and honest; a traditional tune; dance-like lilt; rustic
    """),
    "bossa nova": _split("""
        gentle syncopation; a soft Brazilian sway; rich jazzy chords; light and breezy; understated
    """),
    "calypso": _split("""
        Caribbean rhythm; sunny and syncopated; carnival feeling; bouncing island beat; tropical sway
    """),
}
