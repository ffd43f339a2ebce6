import java.io.*;
import java.net.*;

public class Server {
    public static void main(String[] args) throws IOException {
        ServerSocket ss = new ServerSocket(Integer.parseInt(args[0]));
        while (true) {
            Socket client = ss.accept();
            new Thread(() -> talk(client)).start();
        }
    }

    private static void talk(Socket client) {
        byte[] buf = new byte[4096];
        try {
            InputStream in = client.getInputStream();
            OutputStream out = client.getOutputStream();
            int n;
            while ((n = in.read(buf)) != -1) {
                System.out.println("echoing " + n + " bytes");
                out.write(("received " + n + " bytes\n").getBytes());
            }
            client.close();
        } catch (IOException e) {
            System.out.println("client lost");
        }
    }
}
