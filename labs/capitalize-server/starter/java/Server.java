import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * capitalize-server: answers each line in capitals, until CLOSE SOCKET.
 *
 * <pre>javac Server.java and java Server PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Server {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    /** One client's thread: line by line. */
    static void serve(Socket connection, int id) {
        try (connection) {
            OutputStream out = connection.getOutputStream();
            BufferedReader lines = new BufferedReader(
                    new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8));
            // readLine: a whole line, however many reads it takes.
            for (String line; (line = lines.readLine()) != null; ) {
                boolean isLast = gap(3, "does this line contain CLOSE SOCKET?", line);
                if (isLast) {
                    break;
                }
                gap(4, "send the line back in capitals, with its line end", out, line);
            }
        } catch (IOException lost) {
            System.out.println("client " + id + " is lost: " + lost.getMessage());
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: java Server PORT");
            System.exit(2);
        }
        int port = Integer.parseInt(args[0]);
        int nextId = 1; // counts on, never the same twice

        ServerSocket listener = gap(1, "a ServerSocket on the port: it binds and listens", port);
        System.out.println("listening on port " + port);

        while (true) {
            Socket connection = gap(2, "the next client (accept)", listener);
            int id = nextId++;
            System.out.println("client " + id + ": " + connection.getRemoteSocketAddress());
            gap(5, "start a thread that runs serve, and go on to the next accept", connection, id);
        }
    }
}
